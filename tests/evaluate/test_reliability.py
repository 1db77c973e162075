"""Shares of actuals below quantiles and inside intervals, against counting by hand."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.evaluate import scores
from cryptodask.evaluate.reliability import ALL_PERIODS, count_held, pit_histogram, reliability
from tests.evaluate.tables import make_backtest

QUANTILES = {
    0.025: "lower_95",
    0.1: "lower_80",
    0.5: "forecast",
    0.9: "upper_80",
    0.975: "upper_95",
}


def starts_of(table: pd.DataFrame, n: int) -> np.ndarray:
    return np.array([third[0] for third in np.array_split(np.sort(table["cutoff"].unique()), n)])


def by_hand(table: pd.DataFrame, model: str, low: float, high: float, kind: str, nominal: float):
    """The mean over coins of the coin's share, by a plain loop."""
    shares = []
    for coin in sorted(table["coin"].unique()):
        held = total = 0
        for row in table[(table["coin"] == coin) & (table["model"] == model)].itertuples():
            if np.isnan(row.forecast) or np.isnan(row.actual) or not low <= row.cutoff.value < high:
                continue
            total += 1
            if kind == "quantile":
                held += row.actual <= getattr(row, QUANTILES[nominal])
            else:
                level = round(100 * nominal)
                lower, upper = getattr(row, f"lower_{level}"), getattr(row, f"upper_{level}")
                held += lower <= row.actual <= upper
        if total:
            shares.append(held / total)
    return np.mean(shares), len(shares)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3))
def test_shares_are_those_of_a_plain_loop(seed: int, n_periods: int) -> None:
    table, _ = make_backtest(3, seed=seed, missing=0.2)
    starts = starts_of(table, n_periods)
    shares = reliability([count_held(table, starts)])
    assert set(shares["period"]) == {ALL_PERIODS, *range(n_periods)}
    assert len(shares) == 3 * (n_periods + 1) * 7
    edges = [*starts.astype("datetime64[ns]").astype(np.int64), np.inf]
    for row in shares.itertuples():
        low, high = (-np.inf, np.inf) if row.period == ALL_PERIODS else edges[row.period :][:2]
        share, coins = by_hand(table, row.model, low, high, row.kind, row.nominal)
        assert row.observed == pytest.approx(share)
        assert row.coins == coins


def test_coverage_is_that_of_the_scores_and_does_not_depend_on_parts() -> None:
    table, _ = make_backtest(6, seed=3, missing=0.1)
    starts = starts_of(table, 3)
    together = reliability([count_held(table, starts)])
    parts = [count_held(rows, starts) for _, rows in table.groupby("coin", sort=False)]
    pd.testing.assert_frame_equal(reliability(parts[::-1]), together, check_exact=True)
    scored = scores.scores(scores.sums(table)).set_index("model")
    inside = together[(together["kind"] == "interval") & (together["period"] == ALL_PERIODS)]
    for row in inside.itertuples():
        expected = scored.loc[row.model, f"coverage_{round(100 * row.nominal)}"]
        assert row.observed == pytest.approx(expected, rel=1e-12)


def test_without_intervals_there_is_nothing() -> None:
    table, _ = make_backtest()
    table["upper_95"] = np.nan
    assert reliability([count_held(table, starts_of(table, 3))]).empty


def test_rows_before_the_first_period_are_left_out() -> None:
    table, _ = make_backtest()
    starts = starts_of(table, 6)
    shares = count_held(table, starts[4:])
    assert set(shares["period"]) == {0, 1}
    assert shares["n"].sum() == len(table) // 3


def test_the_histogram_counts_actuals_between_quantiles() -> None:
    table, _ = make_backtest(3, seed=1)
    bins = pit_histogram(reliability([count_held(table, starts_of(table, 1))]))
    for model in table["model"].unique():
        mine = bins[(bins["model"] == model) & (bins["period"] == ALL_PERIODS)]
        rows = table[table["model"] == model]
        edges = [-np.inf, *(rows[name] for name in QUANTILES.values()), np.inf]
        shares = [
            ((rows["actual"] > low) & (rows["actual"] <= high)).mean()
            for low, high in pairwise(edges)
        ]
        assert mine["share"].tolist() == pytest.approx(shares)
        assert (mine["density"] * (mine["upper"] - mine["lower"])).sum() == pytest.approx(1.0)
    assert pit_histogram(reliability([count_held(table.iloc[:0], starts_of(table, 1))])).empty
