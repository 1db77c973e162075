"""Sums over coins: exact, and the same in any grouping."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import InputError
from cryptodask.trading.exact import amounts_of, whole_sums


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), cash=st.sampled_from([1e-3, 1.0, 777.7, 1e9]))
def test_any_grouping_gives_the_same_bits_and_the_right_sum(seed: int, cash: float) -> None:
    rng = np.random.default_rng(seed)
    amounts = cash * np.exp(rng.normal(-3, 4, (5, 40))).clip(max=1e4) * rng.choice([-1, 1], (5, 40))
    whole = whole_sums(amounts, cash)
    order, cut = rng.permutation(40), int(rng.integers(1, 39))
    parts = [amounts[:, order[:cut]], amounts[:, order[cut:]]]
    joined = whole_sums(parts[0], cash) + whole_sums(parts[1], cash)
    assert np.array_equal(amounts_of(whole, cash), amounts_of(joined, cash))
    right = [math.fsum(row) for row in amounts]
    assert amounts_of(whole, cash) == pytest.approx(right, rel=1e-14, abs=1e-15 * cash)


@pytest.mark.parametrize("amount", [1e30, np.nan, np.inf])
def test_what_has_no_whole_number_is_refused(amount: float) -> None:
    with pytest.raises(InputError, match="16 million times the cash, or not a number"):
        whole_sums(np.array([[amount]]), 1.0)
