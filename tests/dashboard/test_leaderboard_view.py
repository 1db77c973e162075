"""What a leaderboard shows of a backtest, against scores and tests of the whole table."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from cryptodask.dashboard.leaderboard_view import (
    BY_COVERAGE,
    BY_ERROR,
    WORST,
    build_leaderboard,
)
from cryptodask.errors import OptionError, UnknownCoinError
from cryptodask.evaluate import compare, scores
from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.evaluate.reliability import ALL_PERIODS
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.records import CoinFailure
from cryptodask.results import Backtest
from cryptodask.results.failures import failure_table
from tests.evaluate.tables import make_backtest


def of(table: pd.DataFrame, failures: pd.DataFrame | None = None) -> Backtest:
    origins = np.sort(table["cutoff"].unique()).astype("datetime64[s]")
    models = list(dict.fromkeys(["naive", *table["model"]]))
    horizon = int(table["step"].max())
    if failures is None:
        failures = failure_table([], dated=True)
    return Backtest(models, horizon, origins, failures, frame=table)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Models of very different worth, on thirty coins."""
    table, _ = make_backtest(30, n_cutoffs=12, seed=5)
    wild = table["model"] == "wild"
    table.loc[wild, "forecast"] *= 1.5
    for bound in BOUNDS:
        table.loc[wild, bound] *= 1.5
    return table


def test_models_are_ranked_by_relative_mae_with_their_scores(table: pd.DataFrame) -> None:
    view = build_leaderboard(of(table))
    assert view.models == ("naive", "drift", "wild")
    assert view.table["rank"].tolist() == [1, 2, 3]
    expected = scores.scores(scores.sums(table)).set_index("model").loc[list(view.models)]
    for name in ("coins", "relative_mae", "mase", "coverage_80", "scaled_crps", "msis_95"):
        np.testing.assert_array_equal(view.table[name], expected[name])
    steps = scores.scores(scores.sums(table), ["model", "step"])
    drawn = view.steps.sort_values(["model", "step"], ignore_index=True)
    pd.testing.assert_frame_equal(
        drawn, steps[["model", "step", "relative_mae"]], check_dtype=False
    )
    assert view.summary == (
        "30 coins · 3 models · 12 origins from 2016-04-10 to 2016-05-24 · 4 bars ahead"
    )
    assert view.notes == ()


def test_verdicts_are_those_of_the_tests_and_are_counted(table: pd.DataFrame) -> None:
    view = build_leaderboard(of(table))
    tests = compare.judge_coins(compare.compare_coins(compare.differences(table)))
    for row in view.table.itertuples():
        of_model = tests[tests["model"] == row.model]
        if row.model == "naive":
            assert np.isnan(row.better)
            assert row.verdict == ""
        else:
            assert row.better == (of_model["verdict"] == "better").sum()
            assert row.worse == (of_model["verdict"] == "worse").sum()
    assert view.table["verdict"].tolist()[-1] == "worse"
    listed = view.worst.merge(tests, on=["coin", "model"])
    assert (listed["verdict_x"] == listed["verdict_y"]).all()


def test_verdicts_may_be_given(table: pd.DataFrame) -> None:
    verdicts = pd.DataFrame(
        {"coin": ["coin-1", "coin-2"], "model": "drift", "verdict": ["better", "no difference"]}
    )
    pooled = pd.DataFrame({"model": ["drift"], "verdict": ["better"]})
    view = build_leaderboard(of(table), verdicts=verdicts, pooled=pooled)
    drift = view.table.set_index("model").loc["drift"]
    assert drift[["better", "no difference", "worse", "verdict"]].tolist()[:2] == [1, 1]
    assert drift["verdict"] == "better"
    with pytest.raises(OptionError, match="verdicts: lacks the column verdict; it has coin, model"):
        build_leaderboard(of(table), verdicts=verdicts[["coin", "model"]])


def test_error_by_origin_is_the_ratio_of_means(table: pd.DataFrame) -> None:
    view = build_leaderboard(of(table))
    naive = table[table["model"] == "naive"].set_index(["coin", "cutoff", "step"])
    for model, of_model in view.origins.groupby("model"):
        rows = table[table["model"] == model].set_index(["coin", "cutoff", "step"])
        both = [((x["forecast"] - x["actual"]).abs() / x["last"]) for x in (rows, naive)]
        means = [x.groupby("cutoff").mean() for x in both]
        np.testing.assert_allclose(of_model["relative_error"], means[0] / means[1])
        assert set(of_model["coins"]) == {30}
    assert set(view.origins["model"]) == {"drift", "wild"}


def test_the_worst_coins_of_each_model(table: pd.DataFrame) -> None:
    view = build_leaderboard(of(table))
    each = scores.scores(scores.sums(table), ["coin", "model"])
    for model in ("drift", "wild"):
        of_model = each[each["model"] == model]
        listed = view.worst[(view.worst["model"] == model) & (view.worst["by"] == BY_ERROR)]
        assert listed["place"].tolist() == list(range(1, WORST + 1))
        worst = of_model["relative_mae"].nlargest(WORST).tolist()
        assert listed["relative_mae"].tolist() == worst
    low = view.worst[(view.worst["model"] == "naive") & (view.worst["by"] == BY_COVERAGE)]
    of_model = each[each["model"] == "naive"]
    assert low["coverage_95"].tolist() == of_model["coverage_95"].nsmallest(WORST).tolist()
    assert not ((view.worst["model"] == "naive") & (view.worst["by"] == BY_ERROR)).any()


def test_periods_are_thirds_of_the_origins(table: pd.DataFrame) -> None:
    view = build_leaderboard(of(table))
    assert view.periods[0] == "2016-04-10 to 2016-04-22"
    assert set(view.reliability["period"]) == {ALL_PERIODS, 0, 1, 2}
    few = build_leaderboard(of(table[table["cutoff"] == table["cutoff"].min()]))
    assert few.periods == ("2016-04-10 to 2016-04-10",)


def test_the_worst_of_every_model_are_drawn_first(table: pd.DataFrame) -> None:
    view = build_leaderboard(of(table), coins=4)
    firsts = view.worst[(view.worst["by"] == BY_ERROR) & (view.worst["place"] == 1)]["coin"]
    assert set(firsts) <= set(view.overlay.coins)
    assert len(view.overlay.coins) == len(set(view.overlay.coins)) == 4
    assert len(build_leaderboard(of(table), coins=99).overlay.coins) == 30
    named = build_leaderboard(of(table), coins=["coin-7", "coin-3", "coin-7"])
    assert named.overlay.coins == ("coin-7", "coin-3")
    row = scores.scores(scores.sums(table), ["coin", "model"]).query(
        "coin == 'coin-7' and model == 'drift'"
    )
    assert f"relative MAE {row['relative_mae'].iloc[0]:.3f}" in named.overlay.captions[1]


def test_what_is_missing_is_told(table: pd.DataFrame) -> None:
    part = table[(table["coin"] != "coin-3") | (table["model"] != "drift")].copy()
    part[list(BOUNDS)] = np.nan
    lost = CoinFailure("coin-3", "drift", "ShortSeriesError", "too short")
    failures = failure_table([lost], dated=True)
    view = build_leaderboard(of(part, failures), coins=["coin-3"])
    assert [note.split()[0] for note in view.notes] == ["Not", "1", "This"]
    assert view.notes[1] == "1 failure of coins and origins: 1 of drift."
    assert view.reliability.empty
    assert set(view.worst["by"]) == {BY_ERROR}
    drift = view.models.index("drift")
    assert view.overlay.captions[drift] == "no forecast of this model"


def test_naive_alone_is_a_leaderboard(table: pd.DataFrame) -> None:
    view = build_leaderboard(of(table[table["model"] == "naive"]))
    assert view.models == ("naive",)
    assert view.origins.empty
    assert set(view.worst["by"]) == {BY_COVERAGE}


def test_what_makes_no_sense_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match="coins: must be 1 or more, or names of coins, got 0"):
        build_leaderboard(of(table), coins=0)
    with pytest.raises(UnknownCoinError, match="no forecast with an actual of 'x'; it has 30 coin"):
        build_leaderboard(of(table), coins=["coin-1", "x"])
    with pytest.raises(OptionError, match="no forecast with an actual, so there is nothing"):
        build_leaderboard(of(table.assign(actual=np.nan)))
    empty = dataclasses.replace(of(table), frame=empty_backtest())
    with pytest.raises(OptionError, match="no forecast with an actual, so there is nothing"):
        build_leaderboard(empty)
