"""Quantiles and what follows from them, beside closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri, stdtrit

from cryptodask.risk.distribution import FAR, all_levels, deviation, share_above, shortfall
from tests.risk.moves import SIGMA, normal_moves

LEVELS = all_levels([0.01, 0.025, 0.05, 0.1, 0.9, 0.95])


def test_levels_rise_and_have_those_that_are_wanted() -> None:
    assert (np.diff(LEVELS) > 0).all()
    assert set(LEVELS) >= {0.01, 0.025, 0.05, 0.1, 0.5, 0.9, 0.95}
    assert 0 < LEVELS[0] < 2e-8
    assert 1 - LEVELS[-1] < 2e-8


def test_the_deviation_of_a_normal_distribution() -> None:
    assert deviation(0.3 + 0.7 * ndtri(LEVELS), LEVELS) == pytest.approx(0.7, rel=3e-3)


def test_the_deviation_of_student_s_distribution() -> None:
    # Its variance is f / (f - 2) = 2; of what is beyond 0.1% on a side, each x counts as x(0.1%).
    least = stdtrit(4.0, FAR)
    tail, _ = quad(lambda u: stdtrit(4.0, u) ** 2, 0.0, FAR)
    expected = np.sqrt(2.0 - 2 * tail + 2 * FAR * least**2)
    assert 1.3 < expected < 1.4
    assert deviation(stdtrit(4.0, LEVELS), LEVELS) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("tail", [0.01, 0.05])
def test_the_shortfall_of_lognormal_closes(tail: float) -> None:
    growths = np.exp(0.2 * ndtri(LEVELS))
    place = int(np.searchsorted(LEVELS, tail))
    expected = 1.0 - np.exp(0.02) * ndtr(ndtri(tail) - 0.2) / tail
    assert shortfall(growths, LEVELS, place) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("change", [-0.3, -0.05, 0.0, 0.05, 0.3])
def test_the_probability_of_a_move(change: float) -> None:
    growths = np.exp(0.2 * ndtri(LEVELS))
    expected = 1.0 - ndtr(np.log1p(change) / 0.2)
    assert share_above(growths, LEVELS, 1.0 + change) == pytest.approx(expected, abs=1e-4)


def test_prices_are_quantiles_around_the_last_close() -> None:
    moves = normal_moves(["a", "b"], 4)
    expected = [[close * np.exp(SIGMA * np.sqrt(h) * ndtri(0.05)) for h in (1, 2, 3, 4)]
                for close in (1.0, 100.0)]  # fmt: skip
    np.testing.assert_allclose(moves.prices(0.05), expected, rtol=1e-12)
    place = moves.place(0.05)
    growths = moves.growths(slice(0, 2))[..., place]
    np.testing.assert_allclose(growths * moves.closes[:, None], expected, rtol=1e-12)
    assert moves.dates[0].astype(str).tolist()[-1] == "2020-07-04T00:00:00"
