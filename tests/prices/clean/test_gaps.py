"""Gaps: filled, numbered or left, by hand and by a plain loop."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.prices.clean.gaps import (
    GapHandling,
    bars_since,
    fill_gaps,
    last_segments,
    number_segments,
)
from cryptodask.prices.freq import FREQS, step_of
from cryptodask.prices.schema import TABLE_COLUMNS, as_price_dtypes, empty_prices

NAN = float("nan")
START = np.datetime64("2021-01-01", "s")
few = settings(max_examples=40, deadline=None)

Bar = tuple[str, int, float]


def prices(*bars: Bar, freq: str = "1d") -> pd.DataFrame:
    """Rows of (coin, bars since the first of January, close); every other value is its own."""
    frame = pd.DataFrame(bars, columns=["coin", "number", "close"]).astype({"close": "float64"})
    frame["date"] = START + frame.pop("number").to_numpy(dtype=np.int64) * step_of(freq)
    for by, name in enumerate(("open", "high", "low", "volume", "market_cap"), start=2):
        frame[name] = by * frame["close"]
    return as_price_dtypes(frame)


@st.composite
def bars(draw: st.DrawFn) -> list[Bar]:
    """Bars of a few coins, by coin and date, with gaps of all lengths."""
    some = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 40)), max_size=40, unique=True)
    return [(coin, number, float(i + 1)) for i, (coin, number) in enumerate(sorted(draw(some)))]


def filled_by_hand(given: list[Bar], limit: int, freq: str) -> list[tuple[Any, ...]]:
    """The rows that are to come out, one after the other."""
    out: list[tuple[Any, ...]] = []
    for i, (coin, number, close) in enumerate(given):
        before = given[i - 1] if i and given[i - 1][0] == coin else None
        missing = number - before[1] - 1 if before else 0
        if before and missing <= limit:
            out += [
                (coin, START + n * step_of(freq), *[before[2]] * 4, NAN, NAN, True)
                for n in range(before[1] + 1, number)
            ]
        others = (2 * close, 3 * close, 4 * close, close, 5 * close, 6 * close)
        out.append((coin, START + number * step_of(freq), *others, False))
    return out


def runs_by_hand(given: list[Bar]) -> list[int]:
    runs: list[int] = []
    for i, (coin, number, _) in enumerate(given):
        if i == 0 or given[i - 1][0] != coin:
            runs.append(0)
        else:
            runs.append(runs[-1] + (number - given[i - 1][1] > 1))
    return runs


@few
@given(given=bars(), limit=st.integers(1, 12), freq=st.sampled_from(sorted(FREQS)))
def test_filling_is_that_of_a_plain_loop(given: list[Bar], limit: int, freq: str) -> None:
    frame = prices(*given, freq=freq)
    before = frame.copy()
    filled = fill_gaps(frame, limit, freq)
    wanted = pd.DataFrame(filled_by_hand(given, limit, freq), columns=[*TABLE_COLUMNS, "filled"])
    types = empty_prices().dtypes.to_dict() | {"filled": bool}
    pd.testing.assert_frame_equal(filled, wanted.astype(types))
    pd.testing.assert_frame_equal(frame, before)
    # Those that were quoted are the frame, and what is left has no gap that could be filled.
    quoted = filled[~filled["filled"]].drop(columns="filled").reset_index(drop=True)
    pd.testing.assert_frame_equal(quoted, frame)
    assert not fill_gaps(filled.drop(columns="filled"), limit, freq)["filled"].any()


@few
@given(given=bars(), freq=st.sampled_from(sorted(FREQS)))
def test_runs_are_those_of_a_plain_loop(given: list[Bar], freq: str) -> None:
    frame = prices(*given, freq=freq)
    before = frame.copy()
    numbered = number_segments(frame, freq)
    pd.testing.assert_frame_equal(numbered.drop(columns="run"), before)
    assert numbered["run"].dtype == np.int64
    runs = runs_by_hand(given)
    assert numbered["run"].tolist() == runs
    last = {coin: run for (coin, _, _), run in zip(given, runs, strict=True)}
    kept = [bar for bar, run in zip(given, runs, strict=True) if run == last[bar[0]]]
    pd.testing.assert_frame_equal(last_segments(frame, freq), prices(*kept, freq=freq))
    pd.testing.assert_frame_equal(frame, before)


@few
@given(given=bars(), freq=st.sampled_from(sorted(FREQS)))
def test_bars_since_are_counted_from_the_row_before_of_the_same_coin(
    given: list[Bar], freq: str
) -> None:
    since = bars_since(prices(*given, freq=freq), freq)
    before = [("", 0, 0.0), *given[:-1]]
    expected = [b[1] - a[1] if a[0] == b[0] else 0 for a, b in zip(before, given, strict=False)]
    assert since.dtype == np.int64
    assert since.tolist() == expected


@few
@given(given=bars(), freq=st.sampled_from(sorted(FREQS)))
def test_coins_have_nothing_to_do_with_each_other(given: list[Bar], freq: str) -> None:
    frame = prices(*given, freq=freq)
    for work in (lambda f: fill_gaps(f, 3, freq), lambda f: number_segments(f, freq)):
        alone = [work(rows.reset_index(drop=True)) for _, rows in frame.groupby("coin")]
        whole = work(frame)
        pd.testing.assert_frame_equal(pd.concat([whole[:0], *alone], ignore_index=True), whole)


def test_a_filled_bar_is_the_last_close_flat_and_flagged_and_has_no_amounts() -> None:
    frame = prices(("A", 0, 1.0), ("A", 3, 2.0), ("A", 7, 3.0), freq="4h")
    filled = fill_gaps(frame, 2, "4h")
    assert filled["filled"].tolist() == [False, True, True, False, False]  # three are too many
    assert filled["date"].dt.hour.tolist() == [0, 4, 8, 12, 4]
    made = filled[filled["filled"]]
    assert (made[["open", "high", "low", "close"]] == 1.0).all(axis=None)
    assert made[["volume", "market_cap"]].isna().all(axis=None)
    assert fill_gaps(frame, 3, "4h")["filled"].sum() == 5


def test_the_same_rows_have_gaps_or_none_by_how_long_their_bars_last() -> None:
    frame = prices(("A", 0, 1.0), ("A", 1, 2.0), ("A", 2, 3.0), freq="4h")
    assert fill_gaps(frame, 9, "4h")["filled"].sum() == 0
    assert fill_gaps(frame, 9, "1h")["filled"].sum() == 6
    assert number_segments(frame, "1h")["run"].tolist() == [0, 1, 2]
    assert last_segments(frame, "1h")["close"].tolist() == [3.0]


def test_no_rows_give_no_rows_with_the_same_columns_as_others() -> None:
    nothing, something = empty_prices(), prices(("A", 0, 1.0), ("A", 2, 1.0))
    for gaps in (GapHandling(), GapHandling("fill", 1), GapHandling("split")):
        pd.testing.assert_series_equal(
            gaps(nothing, "1h").dtypes, gaps(something, "1d").dtypes, check_names=False
        )
        assert gaps(nothing, "1d").empty
    pd.testing.assert_frame_equal(last_segments(nothing), nothing)


def test_gaps_are_dealt_with_as_was_said() -> None:
    frame = prices(("A", 0, 1.0), ("A", 2, 1.0), ("B", 0, 2.0))
    pd.testing.assert_frame_equal(GapHandling()(frame, "1d"), frame)
    pd.testing.assert_frame_equal(GapHandling("fill", 1)(frame, "1d"), fill_gaps(frame, 1))
    pd.testing.assert_frame_equal(GapHandling("split")(frame, "1d"), number_segments(frame))


@pytest.mark.parametrize("how", ["", "drop", "Fill", None])
def test_a_way_that_is_none_is_refused_with_those_that_are(how: Any) -> None:
    with pytest.raises(OptionError, match=f"gaps: must be one of leave, fill, split, got {how!r}"):
        GapHandling(how)


@pytest.mark.parametrize(("how", "limit"), [("leave", 1), ("split", 3), ("fill", None)])
def test_a_limit_is_for_filling_and_filling_needs_one(how: Any, limit: int | None) -> None:
    with pytest.raises(OptionError, match=f"gap_limit: .*by gaps 'fill' only; got {limit} with"):
        GapHandling(how, limit)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_bar_is_refused(limit: int) -> None:
    with pytest.raises(OptionError, match=f"gap_limit: must be at least 1 bar, got {limit}"):
        GapHandling("fill", limit)
