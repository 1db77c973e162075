"""Choosing by errors: on what all candidates forecast, and by nothing that came later."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.evaluate import scores
from cryptodask.evaluate.choice import compare, error_sums, held_out, time_splits
from cryptodask.evaluate.rows import common_rows
from cryptodask.records import DAY, DateArray, FloatArray
from tests.evaluate.tables import make_backtest

START = np.datetime64("2020-01-01", "s")
MODELS = ["naive", "drift", "wild"]


def dates_of(table: pd.DataFrame) -> DateArray:
    dates: DateArray = np.unique(table["cutoff"].to_numpy()).astype("datetime64[s]")
    return dates


@settings(deadline=None)  # the first example imports scikit-learn
@given(
    days=st.lists(st.integers(0, 400), min_size=12, max_size=40, unique=True),
    horizon=st.integers(1, 30),
    splits=st.integers(2, 5),
)
def test_all_that_an_origin_forecast_has_come_when_the_next_part_begins(
    days: list[int], horizon: int, splits: int
) -> None:
    origins = START + np.array(sorted(days)) * DAY
    try:
        found = time_splits(origins, horizon * DAY, splits)
    except OptionError:
        return
    assert len(found) == splits
    for split in found:
        assert origins[split.train[-1]] + horizon * DAY <= origins[split.test[0]]
        assert np.array_equal(split.train, np.arange(len(split.train)))
    judged = np.concatenate([split.test for split in found])
    assert np.array_equal(judged, np.arange(judged[0], len(origins)))


@pytest.mark.parametrize(("step", "gap"), [(10, 0), (12, 0), (9, 1), (5, 1), (4, 2), (1, 9)])
def test_no_more_origins_are_left_out_than_overlap(step: int, gap: int) -> None:
    found = time_splits(START + np.arange(60) * step * DAY, 10 * DAY, 3)
    assert {int(s.test[0] - s.train[-1] - 1) for s in found} == {gap}


@pytest.mark.parametrize(("n", "step", "splits"), [(4, 10, 4), (0, 10, 2), (20, 1, 4)])
def test_too_few_origins_are_told(n: int, step: int, splits: int) -> None:
    with pytest.raises(OptionError, match=f"splits: {splits} splits of {n} origins"):
        time_splits(START + np.arange(n) * step * DAY, 10 * DAY, splits)


def test_one_split_is_told() -> None:
    with pytest.raises(OptionError, match="splits: must be at least 2, got 1"):
        time_splits(START + np.arange(9) * DAY, DAY, 1)


def test_a_comparison_is_by_the_scores_of_a_backtest_on_what_all_forecast() -> None:
    table, _ = make_backtest(5, MODELS, 8, seed=3)
    dates = pd.to_datetime(dates_of(table))
    gone = (table["model"] == "wild") & (table["coin"] == "coin-1") & (table["cutoff"] == dates[2])
    table.loc[gone, "forecast"] = np.nan
    table.loc[table["date"] == table["date"].max(), "actual"] = np.nan
    sums = error_sums(table, MODELS, dates_of(table))
    assert sums.shape == (3, 5, 8)
    assert np.isnan(sums).sum() == 1
    found = compare(sums[0], sums[1:], np.arange(8))
    own = common_rows(table, MODELS)
    expected = scores.scores(scores.sums(own)).set_index("model")["relative_mae"]
    assert found.scores == pytest.approx(expected[MODELS[1:]].to_numpy(), rel=1e-12)
    assert found.shared == own.drop_duplicates(["coin", "cutoff"]).shape[0] == 39
    early = compare(sums[0], sums[1:], np.arange(3))
    own = own[own["cutoff"].isin(dates[:3])]
    expected = scores.scores(scores.sums(own)).set_index("model")["relative_mae"]
    assert early.scores == pytest.approx(expected[MODELS[1:]].to_numpy(), rel=1e-12)


def test_the_sums_of_a_table_of_no_rows_are_of_no_coins() -> None:
    table, _ = make_backtest(2, MODELS, 3)
    assert error_sums(table.iloc[:0], MODELS, dates_of(table)).shape == (3, 0, 3)


@given(
    seed=st.integers(0, 2**32 - 1),
    train=st.integers(1, 9),
    missing=st.sampled_from([0.0, 0.03, 0.5]),
)
def test_a_choice_depends_on_nothing_that_came_later(seed: int, train: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    sums = rng.exponential(size=(5, 4, 10))
    sums[rng.random(sums.shape) < missing] = np.nan
    later = sums.copy()
    later[:, :, train:] = rng.choice([np.nan, 0.0, 1e-9, 1e9], (5, 4, 10 - train))
    first, second = (compare(s[0], s[1:], np.arange(train)) for s in (sums, later))
    assert first.best == second.best
    assert np.array_equal(first.scores, second.scores, equal_nan=True)
    assert np.array_equal(first.forecasts, second.forecasts)


def errors(*levels: float) -> tuple[FloatArray, FloatArray]:
    """Return errors of naive, all 1, and of candidates, of 4 coins at 10 origins."""
    own = np.broadcast_to(np.array(levels)[:, None, None], (len(levels), 4, 10)).copy()
    return np.ones((4, 10)), own


def test_of_equals_the_first_is_the_best() -> None:
    naive, own = errors(0.9, 0.8, 0.8)
    assert compare(naive, own, np.arange(10)).best == 1


def test_a_candidate_that_skips_the_hard_cases_gains_nothing_by_it() -> None:
    naive, own = errors(0.9, 0.95)
    own[:, 0, :2] = 50.0
    own[1, 0, :2] = np.nan
    found = compare(naive, own, np.arange(10))
    assert found.best == 0
    assert found.scores == pytest.approx([0.9, 0.95])
    assert found.forecasts.tolist() == [40, 38]
    assert (found.shared, found.coins) == (38, 4)


def test_one_that_forecasts_much_less_than_the_others_is_out_and_costs_them_nothing() -> None:
    naive, own = errors(0.9, 0.8, 0.1)
    own[2, :, 1:] = np.nan
    found = compare(naive, own, np.arange(10))
    assert found.best == 1
    assert np.isnan(found.scores[2])
    assert found.shared == 40


def test_where_nothing_was_forecast_it_is_the_model_as_given() -> None:
    naive, own = errors(0.9, 0.8)
    own[:] = np.nan
    found = compare(naive, own, np.arange(10))
    assert found.best == 0
    assert np.isnan(found.scores).all()
    assert (found.shared, found.coins) == (0, 0)


def test_what_is_held_out_is_of_whatever_was_chosen_before() -> None:
    table, _ = make_backtest(2, MODELS, 6)
    dates = dates_of(table)
    found = held_out(table, [(dates[2:4], "wild"), (dates[4:], "drift")], "drift", ("a", "b"))
    assert set(found["model"]) == {"naive", "a", "b"}
    assert set(found["cutoff"]) == set(pd.to_datetime(dates[2:]))
    key = ["coin", "cutoff", "step"]
    same = [
        ("wild", "a", dates[2:4]),
        ("drift", "a", dates[4:]),
        ("drift", "b", dates[2:]),
        ("naive", "naive", dates[2:]),
    ]
    for model, role, some in same:
        inside = pd.to_datetime(some)
        expected = table[(table["model"] == model) & table["cutoff"].isin(inside)]
        got = found[(found["model"] == role) & found["cutoff"].isin(inside)]
        pd.testing.assert_series_equal(
            got.sort_values(key)["forecast"].reset_index(drop=True),
            expected.sort_values(key)["forecast"].reset_index(drop=True),
        )
