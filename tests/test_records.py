"""The records that travel between the parts."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import TooShortError
from cryptodask.records import DAY, CoinFailure, Panel

calm = settings(deadline=None)

Series = tuple[str, list[float], list[int]]


@st.composite
def coins(draw: st.DrawFn, fewest: int = 0) -> list[Series]:
    """Draw name, closes, and days since 1970-01-01 in rising order, of a few coins."""
    names = draw(
        st.lists(st.text(min_size=1, max_size=6), min_size=fewest, max_size=5, unique=True)
    )
    result = []
    for name in names:
        days = sorted(draw(st.sets(st.integers(-20_000, 60_000), min_size=1, max_size=9)))
        closes = st.lists(st.floats(1e-8, 1e8), min_size=len(days), max_size=len(days))
        result.append((name, draw(closes), days))
    return result


def panel_of(series: list[Series]) -> Panel:
    return Panel.from_series((c, v, np.array(d, "datetime64[D]")) for c, v, d in series)


@calm
@given(series=coins())
def test_a_panel_gives_back_the_series_it_was_made_of(series: list[Series]) -> None:
    panel = panel_of(series)
    assert len(panel) == len(series)
    assert panel.coins == tuple(name for name, _, _ in series)
    for got, (coin, closes, days) in zip(panel, series, strict=True):
        assert got[0] == coin
        assert got[1].tolist() == closes
        assert got[2].astype("datetime64[D]").astype(int).tolist() == days


@calm
@given(series=coins())
def test_a_panel_is_flat_arrays_and_offsets_of_fixed_kinds(series: list[Series]) -> None:
    panel = panel_of(series)
    rows = sum(len(closes) for _, closes, _ in series)
    assert panel.values.shape == panel.dates.shape == (rows,)
    assert panel.indptr.shape == (len(series) + 1,)
    assert (panel.indptr[0], panel.indptr[-1]) == (0, rows)
    assert panel.values.dtype == np.float64
    assert panel.dates.dtype == "datetime64[s]"
    assert panel.indptr.dtype == np.int64


@calm
@given(series=coins())
def test_lengths_and_last_dates_are_those_of_the_series(series: list[Series]) -> None:
    panel = panel_of(series)
    assert panel.lengths.tolist() == [len(closes) for _, closes, _ in series]
    last = panel.last_dates.astype("datetime64[D]").astype(int)
    assert last.tolist() == [days[-1] for _, _, days in series]


@calm
@given(series=coins(), horizon=st.integers(0, 12))
def test_future_dates_are_the_days_after_each_coins_own_last_one(
    series: list[Series], horizon: int
) -> None:
    future = panel_of(series).future_dates(horizon)
    assert future.shape == (len(series), horizon)
    assert future.dtype == "datetime64[s]"
    expected = [[days[-1] + step for step in range(1, horizon + 1)] for _, _, days in series]
    assert future.astype("datetime64[D]").astype(int).tolist() == expected


@calm
@given(series=coins(), data=st.data())
def test_take_gives_these_coins_in_this_order(series: list[Series], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(range(len(series))))) if series else []
    taken = panel_of(series).take(chosen)
    expected = panel_of([series[i] for i in chosen])
    assert taken.coins == expected.coins
    for name in ("values", "dates", "indptr"):
        assert np.array_equal(getattr(taken, name), getattr(expected, name))


def test_take_accepts_what_numpy_finds() -> None:
    panel = panel_of([("a", [1.0], [0]), ("b", [2.0], [0]), ("c", [3.0], [0])])
    assert panel.take(np.flatnonzero([True, False, True])).coins == ("a", "c")


def test_what_is_taken_is_a_copy() -> None:
    panel = panel_of([("a", [1.0, 2.0], [0, 1])])
    panel.take([0]).values[0] = 9.0
    assert panel.values.tolist() == [1.0, 2.0]


@calm
@given(series=coins(fewest=1))
def test_days_are_counted_from_1970(series: list[Series]) -> None:
    assert panel_of(series).times.tolist() == [float(d) for _, _, days in series for d in days]


def test_days_count_the_time_of_day_as_a_fraction() -> None:
    noon = np.array(["1970-01-02T12:00"], "datetime64[m]")
    assert Panel.from_series([("a", [1.0], noon)]).times.tolist() == [1.5]


def test_a_panel_of_no_coin_is_a_panel() -> None:
    panel = Panel.from_series([])
    assert (len(panel), list(panel), panel.coins) == (0, [], ())
    assert panel.indptr.tolist() == [0]
    assert panel.times.shape == panel.last_dates.shape == panel.lengths.shape == (0,)
    assert panel.future_dates(3).shape == (0, 3)
    assert panel.take([]).indptr.tolist() == [0]


def test_a_coin_may_have_no_row() -> None:
    panel = panel_of([("none", [], []), ("one", [1.0], [0])])
    assert panel.lengths.tolist() == [0, 1]
    assert panel.take([1]).coins == ("one",)


@calm
@given(series=coins())
def test_a_panel_travels(series: list[Series]) -> None:
    panel = panel_of(series)
    copy = pickle.loads(pickle.dumps(panel))
    assert copy.coins == panel.coins
    for name in ("values", "dates", "indptr"):
        assert np.array_equal(getattr(copy, name), getattr(panel, name))
        assert getattr(copy, name).dtype == getattr(panel, name).dtype


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        panel_of([]).coins = ("a",)
    with pytest.raises(FrozenInstanceError):
        CoinFailure("a", "naive", "TooShortError", "").coin = "b"


def test_a_day_is_a_day() -> None:
    assert np.datetime64("2016-02-28") + DAY == np.datetime64("2016-02-29")


def test_a_failure_says_coin_model_exception_and_message() -> None:
    failure = CoinFailure.of("Ripple", "lstm", TooShortError("Ripple: 3 rows"))
    assert failure == CoinFailure("Ripple", "lstm", "TooShortError", "Ripple: 3 rows")
    assert pickle.loads(pickle.dumps(failure)) == failure


def test_a_failure_without_words_still_says_what_it_was() -> None:
    assert CoinFailure.of("Ripple", "lstm", ZeroDivisionError()).message == "ZeroDivisionError()"


def test_other_columns_stay_with_their_coins() -> None:
    days = np.array([0, 1, 2], "datetime64[D]")
    series = [("a", [1.0, 2.0], days[:2]), ("b", [3.0, 4.0, 5.0], days), ("c", [6.0], days[:1])]
    volume = [np.array([10.0, 20.0]), np.array([30.0, np.nan, 50.0]), np.array([60.0])]
    panel = Panel.from_series(series, extra={"volume": volume})
    taken = panel.take([2, 1]).extra["volume"]
    assert np.array_equal(taken, [60.0, 30.0, np.nan, 50.0], equal_nan=True)
    assert panel.take([]).extra["volume"].shape == (0,)
    assert Panel.from_series(series).extra == {}


@calm
@given(series=coins(), rows=st.integers(1, 12))
def test_a_tail_is_the_panel_of_the_last_rows(series: list[Series], rows: int) -> None:
    tail = panel_of(series).tail(rows)
    expected = panel_of([(c, v[-rows:], d[-rows:]) for c, v, d in series])
    assert tail.coins == expected.coins
    for name in ("values", "dates", "indptr"):
        np.testing.assert_array_equal(getattr(tail, name), getattr(expected, name))
