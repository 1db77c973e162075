"""Returns, whole windows, and their sums against windows that are looked at one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.features import windows
from cryptodask.features.lags import lag_moments, log_returns, window_starts
from cryptodask.records import DAY, DateArray, FloatArray, Panel
from tests.models.conftest import START, make_panel, panels

HOUR = np.timedelta64(1, "h")


def windows_of(closes: FloatArray, dates: DateArray, width: int, step: np.timedelta64) -> list[int]:
    """Return the rows at which windows without a gap begin, of one coin."""
    return [
        i
        for i in range(len(closes) - width)
        if all(dates[k + 1] - dates[k] == step for k in range(i, i + width))
    ]


def assert_as_one_by_one(panel: Panel, width: int) -> None:
    returns, linked = log_returns(panel)
    whole = window_starts(linked, width)
    moments = lag_moments(returns, whole, panel, width)
    for i, (_, closes, dates) in enumerate(panel):
        begin = windows_of(closes, dates, width, panel.step)
        assert np.flatnonzero(whole[panel.indptr[i] : panel.indptr[i + 1]]).tolist() == begin
        table = windows(np.log(closes[1:] / closes[:-1]), width)[begin]
        off = table - table.mean(axis=0)
        scale = np.abs(table).max()
        assert moments.count[i] == len(begin)
        np.testing.assert_allclose(moments.mean[i], table.mean(axis=0), rtol=0, atol=1e-12 * scale)
        np.testing.assert_allclose(
            moments.scatter[i], off.T @ off, rtol=0, atol=1e-12 * len(begin) * scale**2
        )


@settings(max_examples=80, deadline=None)
@given(data=st.data(), width=st.integers(1, 12))
def test_moments_are_those_of_all_whole_windows(data: st.DataObject, width: int) -> None:
    assert_as_one_by_one(data.draw(panels(width + 1)), width)


def test_many_short_runs_count_as_well_as_one_long_one() -> None:
    holes = np.random.default_rng(4).random(600) < 0.15
    dates = START + (np.arange(600) + holes.cumsum()) * DAY
    closes = np.exp(np.random.default_rng(5).normal(0, 0.1, 600).cumsum())
    other = make_panel([9, 40])
    assert_as_one_by_one(Panel.from_series([*other, ("holes", closes, dates), *other]), 4)


def test_windows_of_one_return_are_the_returns() -> None:
    assert_as_one_by_one(make_panel([2, 3, 50], gaps=True, run=2), 1)


def test_a_return_is_from_bar_to_bar_of_one_coin() -> None:
    days = START + np.array([0, 1, 3, 4]) * DAY
    panel = Panel.from_series([("one", [1.0, 2, 4, 8], days), ("two", [1e-300, 1], days[:2])])
    returns, linked = log_returns(panel)
    assert linked.tolist() == [True, False, True, False, True, False]
    assert returns == pytest.approx([np.log(2), 0, np.log(2), 0, -np.log(1e-300), 0])


def test_infinite_returns_are_told_and_disturb_no_coin_beside() -> None:
    good = make_panel([30, 40])
    wild = np.tile([1e-300, 1e300], 15), START + np.arange(30) * DAY
    for coins in ([good, wild], [wild, good], [good, wild, good]):
        panel = Panel.from_series(
            series
            for some in coins
            for series in (some if isinstance(some, Panel) else [("wild", *some)])
        )
        returns, linked = log_returns(panel)
        with np.errstate(invalid="ignore"):
            moments = lag_moments(returns, window_starts(linked, 3), panel, 3)
        of_wild = np.array(panel.coins) == "wild"
        assert np.isnan(moments.mean[of_wild]).all()
        assert np.isfinite(moments.scatter[~of_wild]).all()
        assert np.isfinite(moments.mean[~of_wild]).all()


def test_a_bar_may_be_an_hour_and_a_shorter_way_is_a_gap_too() -> None:
    hours = START + np.array([0, 60, 120, 150, 210]) * np.timedelta64(1, "m")
    _, linked = log_returns(Panel.from_series([("coin", np.ones(5), hours)], HOUR))
    assert linked.tolist() == [True, True, False, True, False]
    assert window_starts(linked, 2).tolist() == [True, False, False, False, False]


def test_half_a_bar_too_little_does_not_make_up_for_half_a_bar_too_much() -> None:
    hours = START + np.array([0, 30, 120, 180]) * np.timedelta64(1, "m")
    _, linked = log_returns(Panel.from_series([("coin", np.ones(4), hours)], HOUR))
    assert not window_starts(linked, 2).any()


def test_a_window_longer_than_everything_is_nowhere() -> None:
    _, linked = log_returns(make_panel([3]))
    assert window_starts(linked, 9).tolist() == [False] * 3


def test_a_steady_rise_costs_no_digits() -> None:
    noise = 1e-9 * np.random.default_rng(0).normal(size=999)
    closes = np.exp(np.concatenate([[0], (0.01 + noise).cumsum()]))
    panel = Panel.from_series([("coin", closes, START + np.arange(1_000) * DAY)])
    returns, linked = log_returns(panel)
    moments = lag_moments(returns, window_starts(linked, 3), panel, 3)
    table = windows(returns[:-1] - 0.01, 3)
    off = table - table.mean(axis=0)
    np.testing.assert_allclose(moments.scatter[0], off.T @ off, rtol=0, atol=1e-9 * 999e-18)
