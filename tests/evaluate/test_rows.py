"""What is refused of a backtest table, and what stands beside each row."""

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import InputError
from cryptodask.evaluate.rows import SCORED_COLUMNS, common_rows, scored_rows
from tests.evaluate.tables import make_backtest

KEY = ["coin", "cutoff", "step"]


def test_every_row_stands_beside_the_naive_forecast_of_its_coin_cutoff_and_step() -> None:
    table, _ = make_backtest(missing=0.2)
    table = table.sample(frac=0.8, random_state=1)
    rows = scored_rows(table, "naive")
    naive = table[table["model"] == "naive"].set_index(KEY)["forecast"]
    expected = pd.MultiIndex.from_frame(rows[KEY])
    np.testing.assert_array_equal(rows["naive"], naive.reindex(expected))
    assert rows["naive"].isna().any()
    assert rows["naive"].notna().any()
    order = ["coin", "model", "step", "cutoff"]
    pd.testing.assert_frame_equal(
        rows[list(SCORED_COLUMNS)],
        table.sort_values(order, ignore_index=True)[list(SCORED_COLUMNS)],
    )
    numbers = rows.groupby(["coin", "model", "step"]).ngroup()
    np.testing.assert_array_equal(rows["group"], numbers)


def test_without_naive_nothing_stands_beside() -> None:
    table, _ = make_backtest(models=("drift",))
    assert scored_rows(table, "naive")["naive"].isna().all()


@pytest.mark.parametrize("column", SCORED_COLUMNS)
def test_a_column_that_is_missing_is_named(column: str) -> None:
    table, _ = make_backtest(1)
    with pytest.raises(InputError, match=f"has no column '{column}'"):
        scored_rows(table.drop(columns=column), "naive")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("forecast", np.inf, "1 rows are there with an infinite forecast"),
        ("actual", -np.inf, "1 rows are there with an infinite actual"),
        ("lower_80", 1e9, "1 rows are there with lower_80 above upper_80"),
        ("upper_95", 0.0, "1 rows are there with lower_95 above upper_95"),
        ("coin", None, "coin is missing in 1 rows"),
        ("cutoff", pd.NaT, "cutoff is missing in 1 rows"),
    ],
)
def test_what_can_not_be_scored_is_refused(column: str, value: object, message: str) -> None:
    table, _ = make_backtest(2)
    table.loc[7, column] = value
    with pytest.raises(InputError, match=message):
        scored_rows(table, "naive")


def test_a_row_that_is_there_twice_is_refused_by_name() -> None:
    table, _ = make_backtest(2)
    twice = pd.concat([table, table.iloc[[30]]], ignore_index=True)
    with pytest.raises(InputError, match=r"1 rows are there twice, .* 'coin-0', model 'drift'"):
        scored_rows(twice, "naive")


def test_common_rows_are_those_that_every_model_has() -> None:
    table, _ = make_backtest(missing=0.1)
    table = table.drop(index=table.index[(table["coin"] == "coin-1") & (table["model"] == "wild")])
    models = ["naive", "drift", "wild"]
    common = common_rows(table, models)
    assert set(common["coin"]) == {"coin-0", "coin-2", "coin-3"}
    assert (common.groupby(KEY)["model"].nunique() == 3).all()
    assert common[["forecast", "actual"]].notna().all(axis=None)
    wide = table.pivot(index=KEY, columns="model", values="forecast")
    actual = table.pivot(index=KEY, columns="model", values="actual").notna()
    assert len(common) == 3 * (wide.notna() & actual).all(axis="columns").sum()
    assert common_rows(table, [*models, "absent"]).empty
    assert set(common_rows(table, ["naive", "drift"])["coin"]) == set(table["coin"])
