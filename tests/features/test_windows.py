"""Windows, growth over a base, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cryptodask.features import denormalize, normalize, unbroken, windows
from cryptodask.records import FloatArray

calm = settings(deadline=None)

prices = st.floats(1e-8, 1e8)


@calm
@given(values=st.lists(prices, max_size=30), length=st.integers(1, 35))
def test_windows_are_all_runs_of_their_length_oldest_first(
    values: list[float], length: int
) -> None:
    found = windows(np.array(values), length)
    expected = [values[i : i + length] for i in range(len(values) - length + 1)]
    assert found.shape == (len(expected), length)
    assert found.tolist() == expected


def test_windows_cost_no_memory_and_can_not_be_written_to() -> None:
    values = np.arange(5.0)
    found = windows(values, 3)
    assert np.shares_memory(found, values)
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 7.0


def test_a_series_shorter_than_a_window_has_none() -> None:
    assert windows(np.arange(3.0), 4).shape == (0, 4)
    assert windows(np.empty(0), 1).shape == (0, 1)
    assert windows(np.arange(3.0), 3).tolist() == [[0.0, 1.0, 2.0]]


@calm
@given(
    hours=st.lists(st.integers(0, 30), max_size=20, unique=True).map(sorted),
    length=st.integers(1, 25),
    bar=st.sampled_from([1, 4]),
)
def test_a_window_is_unbroken_where_each_row_is_a_bar_after_the_one_before(
    hours: list[int], length: int, bar: int
) -> None:
    dates = np.datetime64("2021-02-27", "s") + bar * np.array(hours, dtype="timedelta64[h]")
    found = unbroken(dates, length, np.timedelta64(bar, "h"))
    runs = [hours[i : i + length] for i in range(len(hours) - length + 1)]
    assert found.dtype == np.bool_
    assert found.tolist() == [run == list(range(run[0], run[0] + length)) for run in runs]


def test_growth_is_price_over_base_less_one() -> None:
    rows = np.array([[2.0, 3.0, 1.0], [10.0, 10.0, 40.0]])
    growth = normalize(rows, rows[:, 0])
    assert growth.tolist() == [[0.0, 0.5, -0.5], [0.0, 0.0, 3.0]]
    assert denormalize(growth, rows[:, 0]).tolist() == rows.tolist()


def test_one_row_has_one_base() -> None:
    assert normalize(np.array([2.0, 3.0]), np.float64(4.0)).tolist() == [-0.5, -0.25]
    assert denormalize(np.array([-0.5, -0.25]), np.float64(4.0)).tolist() == [2.0, 3.0]


@calm
@given(
    rows=arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(1, 9)), elements=prices),
    data=st.data(),
)
def test_prices_come_back_from_growth(rows: FloatArray, data: st.DataObject) -> None:
    base = data.draw(arrays(np.float64, len(rows), elements=prices))
    back = denormalize(normalize(rows, base), base)
    # Growth near -1 has lost the digits of a price far below its base.
    assert np.all(np.abs(back - rows) <= 1e-15 * 4 * (rows + base[:, None]))


@calm
@given(growth=arrays(np.float32, (3, 4), elements=st.floats(-0.5, 8, width=32)))
def test_growth_in_single_precision_becomes_prices_in_double(growth: FloatArray) -> None:
    base = np.array([1e-6, 1.0, 1e5])
    found = denormalize(growth, base)
    assert found.dtype == np.float64
    expected = [[(float(g) + 1) * b for g in row] for row, b in zip(growth, base, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_input_is_left_intact() -> None:
    rows = np.array([[2.0, 3.0], [4.0, 5.0]])
    normalize(rows, rows[:, 0])
    denormalize(rows, rows[:, 0])
    assert rows.tolist() == [[2.0, 3.0], [4.0, 5.0]]
