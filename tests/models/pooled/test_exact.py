"""Sums of products that no order and no grouping changes, against Python's own integers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.models.pooled import exact
from cryptodask.models.pooled.exact import LIMIT, UNIT, exact_products, rounded

seeds = st.integers(0, 2**20)


def numbers(seed: int, n: int, m: int) -> np.ndarray:
    """Numbers of all sizes, some beyond the limit."""
    rng = np.random.default_rng([seed, n, m])
    return rng.normal(0, 1, (n, m)) * 10.0 ** rng.integers(-10, 5, (n, m))


@settings(deadline=None, max_examples=30)
@given(seed=seeds, n=st.integers(0, 60), a=st.integers(1, 3), b=st.integers(1, 4))
def test_they_are_the_sums_of_fractions(seed: int, n: int, a: int, b: int) -> None:
    one, other = numbers(seed, n, a), numbers(seed + 1, n, b)
    found = exact_products(one, other)
    assert found.shape == (a, b)
    for i in range(a):
        for j in range(b):
            pairs = zip(rounded(one[:, i]).tolist(), rounded(other[:, j]).tolist(), strict=True)
            expected = sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(0))
            assert int(found[i, j]) * Fraction(UNIT) ** 2 == expected


@settings(deadline=None, max_examples=20)
@given(seed=seeds, cut=st.integers(0, 9_000))
def test_neither_order_nor_division_matters(seed: int, cut: int) -> None:
    x = numbers(seed, 9_000, 3)
    shuffled = np.random.default_rng(seed).permutation(x)
    parts = exact_products(shuffled[:cut], shuffled[:cut]) + exact_products(
        shuffled[cut:], shuffled[cut:]
    )
    assert (exact_products(x, x) == parts).all()


def test_the_largest_numbers_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_BLOCKS", 2)
    n = 4_096 * 5 + 7
    far = np.full((n, 1), 1e9)
    assert exact_products(far, -far)[0, 0] == -n * int(LIMIT / UNIT) ** 2
    near = np.full((n, 1), LIMIT - UNIT)
    assert exact_products(near, far)[0, 0] == n * int(LIMIT / UNIT) * (int(LIMIT / UNIT) - 1)


def test_a_number_is_rounded_to_the_nearest_unit() -> None:
    values = np.array([[0.3, -0.3, 2_000.0, UNIT * 0.4]])
    assert rounded(values)[0, 2:].tolist() == [LIMIT, 0.0]
    np.testing.assert_allclose(rounded(values)[0, :2], values[0, :2], rtol=0, atol=UNIT / 2)
