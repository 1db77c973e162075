"""How far past forecasts missed beside naive's: the sums of any division of the coins."""

import numpy as np
import pytest

from cryptodask.evaluate.intervals.past_errors import ErrorHistory, PastErrors
from cryptodask.evaluate.intervals.pooling import compare_naive

CUTOFFS = np.array(["2024-01-01", "2024-01-06"], dtype="datetime64[s]")


def past(rng: np.random.Generator, coins: int) -> PastErrors:
    """Errors of twice the moves, some of them unknown, of coins of any spread."""
    moves = rng.normal(size=(coins, 2, 3))
    errors = 2 * moves
    errors[0, 1, 2] = np.nan
    spreads = rng.uniform(0.5, 2, size=moves.shape)
    spreads[-1] = 0  # of a coin that never moved
    return PastErrors(0, ErrorHistory(CUTOFFS, errors, moves, spreads))


def test_errors_twice_those_of_naive_are_twice_as_many() -> None:
    missed, of_naive = compare_naive([past(np.random.default_rng(0), 40)])
    assert missed / of_naive == pytest.approx(2, rel=1e-6)


def test_the_sums_are_those_of_the_parts() -> None:
    rng = np.random.default_rng(1)
    parts = [past(rng, coins) for coins in (2, 5, 3)]
    each = [compare_naive([part]) for part in parts]
    assert compare_naive(parts) == tuple(map(sum, zip(*each, strict=True)))
    assert compare_naive(parts) == compare_naive(parts[::-1])


def test_no_error_is_no_sum() -> None:
    assert compare_naive([]) == (0, 0)
