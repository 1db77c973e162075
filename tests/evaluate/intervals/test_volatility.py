"""Volatility: what it is of known returns, and that it sees nothing later nor beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.evaluate.intervals.volatility import LEAST, volatility
from cryptodask.features.rows import rows_on
from cryptodask.records import DAY, Panel
from tests.models.conftest import START, join, make_panel, one_coin, panels

few = settings(max_examples=25, deadline=None)


def zigzag(moves: np.ndarray, coin: str = "coin-0") -> Panel:
    """Closes that go up and down by these log returns."""
    signs = np.where(np.arange(len(moves)) % 2, 1, -1)
    return one_coin(np.exp(np.concatenate([[0.0], (signs * moves).cumsum()])), coin)


def test_equal_moves_are_the_volatility_however_they_are_weighted() -> None:
    panel = zigzag(np.full(40, 0.07))
    for half_life, prior in ((3.0, 0.0), (10.0, 5.0), (100.0, 50.0)):
        result = volatility(panel, panel.dates, half_life, prior)
        assert result[0, LEAST:] == pytest.approx(0.07)
        assert np.isnan(result[0, :LEAST]).all()


def test_weights_halve_and_the_rest_is_the_mean_of_all() -> None:
    moves = np.random.default_rng(1).uniform(0.01, 0.1, 30)
    weights = 0.5 ** (np.arange(30)[::-1] / 7)
    expected = (weights @ moves + 4 * moves.mean()) / (weights.sum() + 4)
    panel = zigzag(moves)
    assert volatility(panel, panel.dates[-1:], 7, 4)[0, 0] == pytest.approx(expected)


def test_after_a_break_it_follows_within_a_few_half_lives() -> None:
    panel = zigzag(np.repeat([0.02, 0.1], [300, 30]))
    before, after = volatility(panel, panel.dates[[300, 330]])[0]
    assert before == pytest.approx(0.02)
    assert 0.07 < after < 0.1


def test_a_jump_counts_for_less_than_it_would_squared() -> None:
    moves = np.full(60, 0.05)
    moves[50] = 1.0
    squares = np.sqrt(((0.5 ** (np.arange(60)[::-1] / 10)) * moves**2).sum() / 14.2)
    panel = zigzag(moves)
    assert 0.05 < volatility(panel, panel.dates[-1:])[0, 0] < squares / 1.5


def test_a_coin_without_a_row_that_day_has_none() -> None:
    panel = make_panel([60, 30])
    later = panel.last_dates.max() + np.array([0, 1]) * DAY
    result = volatility(panel, later)
    assert np.isnan(result).tolist() == [[False, True], [True, True]]


def test_returns_over_a_gap_do_not_count() -> None:
    panel = zigzag(np.full(30, 0.05))
    values, dates = panel.values.copy(), panel.dates.copy()
    values[20:] *= 10
    dates[20:] += 50 * DAY
    broken = Panel(panel.coins, values, dates, panel.indptr)
    assert volatility(broken, dates[-1:])[0, 0] == pytest.approx(0.05)


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
    assert np.array_equal(volatility(known, when), volatility(begun, when), equal_nan=True)


@few
@given(panels(2, 60))
def test_many_coins_are_as_many_panels_of_one_and_prices_may_be_in_any_currency(
    panel: Panel,
) -> None:
    dates = np.unique(panel.dates)
    alone = np.concatenate([volatility(panel.take([i]), dates) for i in range(len(panel))])
    together = volatility(panel, dates)
    assert np.array_equal(together, alone, equal_nan=True)
    other = Panel(panel.coins, panel.values * 1024, panel.dates, panel.indptr)
    assert np.array_equal(together, volatility(other, dates), equal_nan=True)


def test_rows_are_found_by_date_within_each_coin() -> None:
    panel = join([make_panel([5]), Panel(("b",), *make_panel([3], 7).__getstate__()[1:])])
    dates = np.array([START + DAY, START + 4 * DAY, START + 100 * DAY])
    rows = rows_on(panel, np.broadcast_to(dates, (2, 3)))
    assert rows.tolist() == [[0, 3, -1], [5, -1, -1]]


@pytest.mark.parametrize(("half_life", "prior"), [(0, 5), (-1, 5), (np.nan, 5), (10, -1)])
def test_weights_that_are_none_are_refused(half_life: float, prior: float) -> None:
    with pytest.raises(OptionError, match="half_life"):
        volatility(make_panel([20]), np.array([START]), half_life, prior)
