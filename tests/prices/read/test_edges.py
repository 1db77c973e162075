"""Stamps about the edges of bars: closes and opens, seconds and minutes late or early."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError, UnreadableFileError
from cryptodask.prices import ReadOptions, import_prices
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.freq import FREQS
from cryptodask.prices.read.clocks import is_clock, joined_stamp
from cryptodask.prices.read.edges import survey_edges
from cryptodask.prices.read.price_file import check_price_file
from cryptodask.prices.read.stamps import StampRule
from cryptodask.prices.reading import Reading
from tests.prices.conftest import folder_of, the_finding, told, write_files
from tests.prices.read.exports import series

START = datetime(2024, 11, 20)
BARS = series()
OHLC = "open,high,low,close"
Stamp = Callable[[datetime], str]


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def epoch(moment: datetime) -> str:
    return str((moment - datetime(1970, 1, 1)) // timedelta(seconds=1))


def file_of(header: str, stamp: Stamp, freq: str, offsets: list[int], *, at_close: bool) -> str:
    """A file with a row a bar, whose stamp is its open or close and these seconds, repeated."""
    step = timedelta(seconds=FREQS[freq])
    lines = []
    for i, bar in enumerate(BARS):
        moment = START + (i + at_close) * step + timedelta(seconds=offsets[i % len(offsets)])
        cells = [bar.open, bar.high, bar.low, bar.close] if OHLC in header else [bar.close]
        lines.append(",".join([stamp(moment), *map(str, cells)]))
    return "\n".join([header, *lines, ""])


def load(folder: Path, content: str, **options: object) -> tuple[FolderSource, Reading]:
    source = FolderSource(write_files(folder, {"A.csv": content}), ReadOptions(**options))  # type: ignore[arg-type]
    return source, source.partitions(source.coins)[0].load()


def rows_of(reading: Reading) -> list[tuple[pd.Timestamp, float]]:
    return told(reading.prices, "date", "close")


def expected(freq: str) -> list[tuple[pd.Timestamp, float]]:
    step = timedelta(seconds=FREQS[freq])
    return [(pd.Timestamp(START + i * step), bar.close) for i, bar in enumerate(BARS)]


# What -> header, how a stamp is written, seconds off the edge, whether they are closes, options.
JITTER: dict[str, tuple[str, Stamp, list[int], bool, dict[str, object]]] = {
    "prices seconds late": ("time,price", text, [5], True, {}),
    "prices seconds early": ("time,price", text, [-15], True, {}),
    "prices late and early": ("time,price", text, [5, -15, 0, 40], True, {}),
    "prices minutes late": ("time,price", text, [321, 0, 0], True, {}),
    "prices counted from 1970": ("timestamp,price", epoch, [5, -15], True, {}),
    "opens counted from 1970": (f"timestamp,{OHLC}", epoch, [5, 3], False, {}),
    "closes counted from 1970": (f"timestamp,{OHLC}", epoch, [-1], True, {}),
    "opens by their name": (f"Open time,{OHLC}", text, [5, -15, 0], False, {}),
    "closes by their name": (f"close_time,{OHLC}", epoch, [-1], True, {}),
    "closes by their name, on the edge": (f"close_time,{OHLC}", epoch, [0], True, {}),
    "bars seconds late": (f"Date,{OHLC}", text, [5, 7], False, {}),
    "bars seconds early": (f"Date,{OHLC}", text, [-15], True, {}),
    "bars mostly late": (f"Date,{OHLC}", text, [5, 3, -2], False, {}),
    "closes by option": (f"Date,{OHLC}", text, [0], True, {"stamps": "close"}),
    "late closes by option": (f"timestamp,{OHLC}", epoch, [0, 20], True, {"stamps": "close"}),
    "opens by option": ("time,price", text, [0, 5], False, {"stamps": "open"}),
    "a tolerance by option": ("time,price", text, [500, 0, 0], True, {"tolerance": 600}),
}  # fmt: skip


@pytest.mark.parametrize("freq", FREQS)
@pytest.mark.parametrize("what", JITTER)
def test_a_stamp_off_the_edge_of_a_bar_belongs_to_that_edge(
    tmp_path: Path, what: str, freq: str
) -> None:
    header, stamp, offsets, at_close, options = JITTER[what]
    source, reading = load(
        tmp_path, file_of(header, stamp, freq, offsets, at_close=at_close), **options
    )
    assert source.freq == freq
    assert rows_of(reading) == expected(freq)
    assert set(reading.findings["kind"]) == {"layout"}


def test_what_was_taken_for_what_is_told_with_the_option(tmp_path: Path) -> None:
    files = {
        ("time,price", True): "closes of days; if they are opens, give --stamps open",
        (f"time,{OHLC}", False): "opens of days; if they are closes, give --stamps close",
    }
    for (header, at_close), message in files.items():
        content = file_of(header, epoch, "1d", [0, 5, -20], at_close=at_close)
        row = the_finding(load(tmp_path, content)[1].findings, "layout")
        assert f"stamps are {message}" in row.message
        assert "26 of 40 stamps are up to 20 s off the edges of days and count" in row.message
    content = file_of(f"Date,{OHLC}", text, "1h", [0], at_close=False)
    row = the_finding(load(tmp_path, content)[1].findings, "layout")
    assert "listing: the hour that opens at the moment as written" in row.message
    assert "stamps are opens of hours; if they are closes, give --stamps close" in row.message
    days = "Date,Close\n2024-11-20,1\n2024-11-21,2\n"
    assert "stamps" not in the_finding(load(tmp_path, days)[1].findings, "layout").message


def test_stamps_that_lie_within_bars_stay_in_them(tmp_path: Path) -> None:
    content = file_of("time,price", text, "1d", [30_000, 41_000, 52_000], at_close=False)
    assert rows_of(load(tmp_path, content)[1]) == expected("1d")


def test_a_tolerance_of_nothing_takes_stamps_as_they_are(tmp_path: Path) -> None:
    content = file_of("time,price", text, "1d", [5], at_close=True)
    dates = [date for date, _ in rows_of(load(tmp_path, content, tolerance=0)[1])]
    assert dates[0] == pd.Timestamp("2024-11-21")
    for bad in (-1, 43_200):
        with pytest.raises(OptionError, match="tolerance: must be at least 0 and less than half"):
            ReadOptions(tolerance=bad)
    with pytest.raises(OptionError, match="1,800 seconds, got 2,000"):
        ReadOptions(tolerance=2_000, freq="1h")
    with pytest.raises(OptionError, match="stamps: must be open or close, got 'end'"):
        ReadOptions(stamps="end")


def test_coins_that_are_stamped_seconds_after_each_other_are_of_one_bar(tmp_path: Path) -> None:
    for freq in FREQS:
        step = timedelta(seconds=FREQS[freq])
        lines = [
            f"{text(START + (i + 1) * step + timedelta(seconds=3 + 2 * j))},{coin},{bar.close}"
            for i, bar in enumerate(BARS)
            for j, coin in enumerate("ABC")
        ]
        source, _ = load(tmp_path, "\n".join(["time,symbol,price", *lines]))
        assert (source.freq, source.coins) == (freq, ["A", "B", "C"])
        for n in (1, 3):
            for partition in source.partitions(source.coins, n):
                frame = partition.read()
                for _, rows in frame.groupby("coin"):
                    assert told(rows, "date", "close") == expected(freq)


UNENDED = (
    "snapped_at,price\n2024-11-20 00:00:00 UTC,1\n2024-11-21 00:00:04 UTC,2\n"
    "2024-11-22 00:00:00 UTC,3\n2024-11-22 08:32:11 UTC,4\n"
)


def test_a_last_stamp_within_its_bar_is_told_and_left_out(tmp_path: Path) -> None:
    _, reading = load(tmp_path, UNENDED)
    assert reading.prices["close"].tolist() == [1, 2, 3]
    row = the_finding(reading.findings, "unended_bar")
    assert (row.line, row.value, row.action) == (5, "2024-11-22 08:32:11 UTC", "drop")
    assert lost(reading.findings).empty
    _, reading = load(tmp_path, UNENDED, policies={"unended_bar": "keep"})
    assert rows_of(reading)[-1] == (pd.Timestamp("2024-11-22"), 4)


def test_of_two_prices_of_a_bar_the_one_at_its_end_is_its_close(tmp_path: Path) -> None:
    _, reading = load(tmp_path, UNENDED + "2024-11-23 00:00:00 UTC,5\n2024-11-24 00:00:00 UTC,6\n")
    assert reading.prices["close"].tolist() == [1, 2, 3, 5, 6]
    assert the_finding(reading.findings, "unended_bar").line == 5


@pytest.mark.parametrize(
    ("freq", "now", "left"),
    [
        ("1d", datetime(2024, 12, 29, 23, 59, 59), 39),
        ("1d", datetime(2024, 12, 30), 40),
        ("1h", datetime(2024, 11, 21, 15, 30), 39),
        ("1h", datetime(2024, 11, 21, 16), 40),
        ("4h", datetime(2024, 11, 26, 15), 39),
    ],
)
def test_a_bar_that_has_not_ended_when_it_is_read_is_told_and_left_out(
    tmp_path: Path, freq: str, now: datetime, left: int
) -> None:
    content = file_of(f"time,{OHLC}", epoch, freq, [0], at_close=False)
    _, reading = load(tmp_path, content, now=now)
    assert rows_of(reading) == expected(freq)[:left]
    assert told(reading.findings, "line", "action", kind="unended_bar") == (
        [(41, "drop")] if left < 40 else []
    )
    _, reading = load(tmp_path, content, now=now, policies={"unended_bar": "keep"})
    assert rows_of(reading) == expected(freq)


def test_a_table_keeps_an_unended_bar_where_it_is_told_to(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", {"A.csv": "Date,Close\n2024-11-20,1\n2024-11-21,2\n"})
    now = datetime(2024, 11, 21, 12)
    table = import_prices(folder, tmp_path / "one", options=ReadOptions(now=now))
    assert len(table) == 1
    assert told(table.findings(), "kind", "line", "message", kind="unended_bar") == [
        ("unended_bar", 3, "read at 2024-11-21 12:00 UTC")
    ]
    kept = ReadOptions(now=now, policies={"unended_bar": "keep"})
    assert len(import_prices(folder, tmp_path / "two", options=kept)) == 2


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("Date,Time,Open,High,Low,Close", "%Y.%m.%d,%H:%M"),
        ("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>", "%Y%m%d,%H%M%S"),
        ("Date,Hour,Open,High,Low,Close", "%m/%d/%Y,%I:%M %p"),
        ("Datum;Uhrzeit;Eröffnung;Hoch;Tief;Schluss", "%d.%m.%Y;%H:%M:%S"),
        ("", "%Y.%m.%d,%H:%M"),
    ],
)
def test_day_and_time_may_be_in_two_columns(tmp_path: Path, header: str, line: str) -> None:
    sep = ";" if ";" in line else ","
    lines = [
        sep.join([f"{START + timedelta(hours=i):{line}}",
                  *map(str, (b.open, b.high, b.low, b.close))])
        for i, b in enumerate(BARS)
    ]  # fmt: skip
    source, reading = load(tmp_path, "\n".join([*filter(None, [header]), *lines]))
    assert source.freq == "1h"
    assert rows_of(reading) == expected("1h")
    assert "two columns" in the_finding(reading.findings, "layout").message


@pytest.mark.parametrize(
    ("clock", "stamp"),
    [
        ("23:59", "D 23:59"), ("1:05 pm", "D 13:05:00"), ("235959", "D 23:59:59"),
        ("0930", "D 09:30"), ("0", "D 00:00"), ("13", "D 13:00"), ("07", "D 07:00"), ("", "D"),
    ],
)  # fmt: skip
def test_a_time_of_day_is_put_behind_its_day(clock: str, stamp: str) -> None:
    assert joined_stamp("D", clock) == stamp
    assert is_clock(clock) == bool(clock)
    assert not any(map(is_clock, ["24:01", "24", "12:60", "2500", "99", "noon", "2024-11-20"]))


def test_hours_from_1_to_24_are_refused_as_a_time_of_day_and_not_as_coins(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-0{d},{h},{h}\n" for d in range(1, 6) for h in range(1, 25))
    (tmp_path / "A.csv").write_text("Date,Hour,Close\n" + rows)
    with pytest.raises(UnreadableFileError, match="write hours from 0 to 23, or times as 13:00"):
        check_price_file(tmp_path / "A.csv")
    (tmp_path / "A.csv").write_text("Date,Hour,Close\n" + rows.replace(",24,", ",0,"))
    assert check_price_file(tmp_path / "A.csv").freq == "1h"


def test_edges_are_counted_over_all_stamps_of_a_file() -> None:
    stamps = ["2024-11-20 00:00:05", "2024-11-20 23:59:45", "2024-11-22", "2024-11-23 12:00:00"]
    edges = survey_edges(stamps, StampRule("instant"), 86_400, 60.0)
    assert (edges.timed, edges.near, edges.before, edges.after) == (3, 2, 1, 1)
    assert (edges.farthest, edges.are_edges) == (15.0, True)
    assert survey_edges([], StampRule("instant"), 86_400, 60.0).timed == 0
    offset = survey_edges(["2024-11-20T02:00:05+02:00"], StampRule("open"), 86_400, 60.0)
    assert (offset.near, offset.after) == (1, 1)


# Layouts with stamps: header, how a stamp is written, and whether it is the close of a bar.
LAYOUTS: dict[str, tuple[str, Stamp, bool]] = {
    "listing": (f"Date,{OHLC}", text, False),
    "finance": (f"Datetime,{OHLC},Adj Close", lambda m: f"{text(m)}+00:00", False),
    "klines": (f"time,{OHLC}", lambda m: f"{epoch(m)}000", False),
    "klines without a header": ("", lambda m: f"{epoch(m)}000000", False),
    "klines as text": (f"Open time,{OHLC}", text, False),
    "klines by their close": (f"close_time,{OHLC}", epoch, True),
    "prices": ("snapped_at,price", lambda m: f"{text(m)} UTC", True),
    "prices counted from 1970": ("timestamp,price", epoch, True),
    "wide": ("time,A,B", lambda m: f"{m:%Y-%m-%dT%H:%M:%S}Z", True),
    "long": (f"Symbol,Date,{OHLC}", lambda m: f"A,{text(m)}", False),
}  # fmt: skip


@pytest.mark.parametrize("what", LAYOUTS)
@settings(max_examples=8, deadline=None)
@given(data=st.data(), freq=st.sampled_from(list(FREQS)))
def test_any_bars_with_jitter_of_stamps_read_back_equal(
    what: str, data: st.DataObject, freq: str
) -> None:
    header, stamp, at_close = LAYOUTS[what]
    step = FREQS[freq]
    most = int(min(step / 6, 1_800))
    # Stamps of opens that are all early would be closes, but where a header says what they are;
    # and a day as written is that day.
    least = -most if at_close or what == "klines as text" else 0
    off = data.draw(st.lists(st.integers(least, most), min_size=6, max_size=25))
    first = data.draw(st.datetimes(datetime(2012, 1, 1), datetime(2024, 1, 1)))
    begin = datetime(first.year, first.month, first.day)
    closes = data.draw(
        st.lists(st.integers(1, 10**9), min_size=len(off), max_size=len(off))
    )  # fmt: skip
    lines = []
    for i, (seconds, n) in enumerate(zip(off, closes, strict=True)):
        moment = begin + timedelta(seconds=step * (i + at_close) + seconds)
        close = n / 10_000
        more = {"wide": ["2.5"], "finance": [str(close)]}.get(what, [])
        cells = [str(close)] * (4 if OHLC in header or not header else 1) + more
        lines.append(",".join([stamp(moment), *cells, *(["1"] if not header else [])]))
    content = "\n".join([*filter(None, [header]), *lines, ""])
    with folder_of({"A.csv": content}) as folder:
        source = FolderSource(folder)
        reading = source.partitions(["A"])[0].load()
    assert source.freq == freq
    assert rows_of(reading) == [
        (pd.Timestamp(begin + timedelta(seconds=step * i)), n / 10_000)
        for i, n in enumerate(closes)
    ]
    assert lost(reading.findings).empty
    assert "unended_bar" not in set(reading.findings["kind"])
