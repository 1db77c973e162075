"""Spreads: what they are of known returns, and that they see nothing later nor beside them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.evaluate.intervals.volatility import (
    HALF_LIVES,
    LARGEST,
    LEAST,
    STEPS,
    TAIL,
    WEIGHTS,
    average_weights,
    latest_spreads,
    spreads,
)
from cryptodask.features.rows import rows_on
from cryptodask.records import DAY, Panel
from tests.models.conftest import START, join, make_panel, one_coin, panels

few = settings(max_examples=25, deadline=None)
ROOTS = np.sqrt(np.arange(1, 4))


def zigzag(moves: np.ndarray, coin: str = "coin-0") -> Panel:
    """Closes that go up and down by these log returns."""
    signs = np.where(np.arange(len(moves)) % 2, 1, -1)
    return one_coin(np.exp(np.concatenate([[0.0], (signs * moves).cumsum()])), coin)


def test_equal_moves_are_the_spread_of_a_bar_and_grow_with_the_root_of_the_step() -> None:
    panel = zigzag(np.full(400, 0.07))
    result = spreads(panel, panel.dates, 3)
    assert result[0, 100:] == pytest.approx(np.tile(0.07 * ROOTS, (301, 1)), rel=0.002)
    assert np.isnan(result[0, :LEAST]).all()
    assert not np.isnan(result[0, LEAST:]).any()


def test_averages_are_weighted_and_a_trend_adds_by_hand() -> None:
    rng = np.random.default_rng(1)
    returns = rng.normal(0.01, 0.03, 90)
    panel = one_coin(np.exp(np.concatenate([[0.0], returns.cumsum()])))
    ages = np.arange(90)[::-1]
    level = sum(
        share * np.average(np.abs(returns), weights=0.5 ** (ages / half_life))
        for share, half_life in zip(WEIGHTS[0], HALF_LIVES, strict=True)
    )
    decay = 0.5**0.1
    drift = np.average(returns, weights=decay**ages)
    trend = drift / (1.25 * level * np.sqrt((1 - decay) / (1 + decay)))
    expected = level * np.sqrt(1 + 0.15 * trend**2)
    assert spreads(panel, panel.dates[-1:], 1)[0, 0, 0] == pytest.approx(expected, rel=1e-12)


def test_weights_are_those_of_the_steps_and_spreads_rise_with_every_step() -> None:
    weights = average_weights(120)
    at_steps = weights[:, np.array(STEPS) - 1]
    assert pytest.approx(np.array(WEIGHTS)) == at_steps.T
    assert weights.sum(axis=0) == pytest.approx(np.ones(120))
    assert (np.diff(at_steps * np.sqrt(STEPS), axis=1) > 0).all()
    jumped = zigzag(np.append(np.full(200, 0.01), 0.8))
    assert (np.diff(latest_spreads(jumped, 120)[0]) >= 0).all()


def test_after_a_break_it_follows_at_once_and_wholly_in_months() -> None:
    panel = zigzag(np.repeat([0.02, 0.1], [300, 300]))
    before, week, months = spreads(panel, panel.dates[[300, 307, 600]], 10)[0, :, 0]
    assert before == pytest.approx(0.02, rel=0.01)
    assert 0.05 < week < 0.08
    assert 0.08 < months < 0.1


def test_further_ahead_the_past_counts_more() -> None:
    panel = zigzag(np.repeat([0.02, 0.1], [300, 10]))
    result = spreads(panel, panel.dates[-1:], 80)[0, 0] / np.sqrt(np.arange(1, 81))
    assert result[0] > 0.06
    assert (np.diff(result) < 0).all()


def test_no_spread_of_a_coin_that_never_moved_so_far_reaches_a_factor_of_ten() -> None:
    wild = zigzag(np.full(60, 1.2))
    limit = LARGEST * np.sqrt(np.arange(1, 11) / 10) / TAIL
    calm, jumped = limit.copy(), spreads(wild, wild.dates[-1:], 10)[0, 0]
    assert (jumped >= calm).all()
    assert (jumped <= np.maximum.accumulate(np.maximum(calm, 1.2 / TAIL)) + 1e-12).all()


def test_a_coin_that_did_move_so_far_may_again() -> None:
    up = np.exp(np.concatenate([[0.0], np.full(60, 0.6).cumsum()]))
    panel = one_coin(up)
    assert spreads(panel, panel.dates[-1:], 10)[0, 0, 9] > LARGEST / TAIL


def test_a_coin_without_a_row_that_day_has_none() -> None:
    panel = make_panel([60, 30])
    later = panel.last_dates.max() + np.array([0, 1]) * DAY
    result = spreads(panel, later, 1)[..., 0]
    assert np.isnan(result).tolist() == [[False, True], [True, True]]


def test_returns_over_a_gap_do_not_count() -> None:
    panel = zigzag(np.full(200, 0.05))
    values, dates = panel.values.copy(), panel.dates.copy()
    values[120:] *= 10
    dates[120:] += 50 * DAY
    broken = Panel(panel.coins, values, dates, panel.indptr)
    assert latest_spreads(broken, 3)[0] == pytest.approx(0.05 * ROOTS, rel=0.01)


@few
@given(panels(2, 60), st.integers(0, 70))
def test_what_comes_later_changes_nothing(panel: Panel, day: int) -> None:
    cutoff = START + day * DAY
    begun = panel.take(
        [i for i, start in enumerate(panel.indptr[:-1]) if panel.dates[start] <= cutoff]
    )
    known = Panel.from_series(
        (coin, closes[dates <= cutoff], dates[dates <= cutoff]) for coin, closes, dates in begun
    )
    when = np.array([cutoff])
    assert np.array_equal(spreads(known, when, 4), spreads(begun, when, 4), equal_nan=True)


@few
@given(panels(2, 60))
def test_many_coins_are_as_many_panels_of_one_and_prices_may_be_in_any_currency(
    panel: Panel,
) -> None:
    dates = np.unique(panel.dates)
    alone = np.concatenate([spreads(panel.take([i]), dates, 4) for i in range(len(panel))])
    together = spreads(panel, dates, 4)
    assert np.array_equal(together, alone, equal_nan=True)
    other = Panel(panel.coins, panel.values * 1024, panel.dates, panel.indptr)
    assert np.array_equal(together, spreads(other, dates, 4), equal_nan=True)
    latest = np.stack([together[i, np.flatnonzero(dates == last)[0]]
                       for i, last in enumerate(panel.last_dates)])  # fmt: skip
    assert np.array_equal(latest_spreads(panel, 4), latest, equal_nan=True)


def test_rows_are_found_by_date_within_each_coin() -> None:
    panel = join([make_panel([5]), Panel(("b",), *make_panel([3], 7).__getstate__()[1:])])
    dates = np.array([START + DAY, START + 4 * DAY, START + 100 * DAY])
    rows = rows_on(panel, np.broadcast_to(dates, (2, 3)))
    assert rows.tolist() == [[0, 3, -1], [5, -1, -1]]
