"""Samples of rows: uniform, exact, and the same wherever coins lie."""

import numpy as np

from cryptodask.models.pooled.sampling import BITS, RowCounts, draws, least, places
from tests.models.conftest import make_panel


def test_draws_are_of_coin_date_and_seed() -> None:
    panel = make_panel([200, 300])
    numbers = draws(panel, 0)
    assert np.array_equal(draws(panel.take([1]), 0), numbers[200:])
    assert np.array_equal(draws(panel.tail(50), 0)[:50], numbers[150:200])
    assert not (draws(panel, 1) == numbers).any()
    assert len(set(numbers.tolist())) == 500


def test_draws_are_uniform() -> None:
    numbers = draws(make_panel([4000] * 5), 0)
    tenths = np.bincount((numbers * 2.0**-64 * 10).astype(int), minlength=10)
    assert (abs(tenths - 2000) < 5 * np.sqrt(1800)).all()


def test_counts_bound_the_rows_that_a_sample_needs() -> None:
    numbers = draws(make_panel([3000]), 0)
    counts = RowCounts.of(numbers[:1000]) + RowCounts.of(numbers[1000:])
    assert counts.total == 3000
    near = places(numbers) <= counts.last_place(100)
    assert 100 <= near.sum() < 120
    assert np.array_equal(numbers[near][least(numbers[near], 100)], numbers[least(numbers, 100)])
    assert counts.last_place(3001) == 2**BITS - 1
    assert least(numbers, 3001).all()
