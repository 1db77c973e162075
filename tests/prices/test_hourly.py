"""Bars of an hour and of four: every layout, when its bars open, and tables of one length only."""

import gzip
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError, PolicyError, SourceError
from cryptodask.prices import CryptoLoader, PriceTable, import_prices, read_files
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.freq import FREQS
from cryptodask.prices.read.options import ReadOptions
from tests.prices.conftest import GOOD, as_parquet, folder_of, the_finding, told, write_files

few = settings(max_examples=6, deadline=None)
H = 3_600
START = datetime(2021, 1, 1)
D = 1_609_459_200  # the same, counted from 1970

BAR = "1,2,0.5,1.5"
OHLC = "Open,High,Low,Close"
KLINE = f"{BAR},10,0,15,3,5,7,0"
KLINE_HEADER = "open,high,low,close,volume,close_time,quote_volume,count,buy,buy_quote,ignore"


def klines(numbers: range, step: int = H) -> str:
    return "".join(f"{(D + step * n) * 1000},{KLINE}\n" for n in numbers)


def opens(source: FolderSource, coin: str = "A") -> list[str]:
    """When the bars of a coin open, as day and hour."""
    [partition] = source.partitions([coin])
    dates = partition.read()["date"]
    return [f"{date:%d %H:%M}" for date in dates]


# What -> text, layout, frequency, and when its bars open.
FILES: dict[str, tuple[str, str, str, list[str]]] = {
    "klines in milliseconds": (
        klines(range(22, 26)), "klines", "1h", ["01 22:00", "01 23:00", "02 00:00", "02 01:00"],
    ),
    "klines in milliseconds with a header": (
        f"open_time,{KLINE_HEADER}\n{klines(range(4, 7), 4 * H)}",
        "klines", "4h", ["01 16:00", "01 20:00", "02 00:00"],
    ),
    "klines in seconds": (
        f"time,{OHLC}\n{D},{BAR}\n{D + 4 * H},{BAR}\n", "klines", "4h", ["01 00:00", "01 04:00"],
    ),
    "klines with a time that is text": (
        f"Open time,{OHLC}\n2021-01-01 23:00:00,{BAR}\n2021-01-02 00:00:00,{BAR}\n",
        "klines", "1h", ["01 23:00", "02 00:00"],
    ),
    "listing": (
        f"Date,{OHLC}\n2021-01-01 14:00:00,{BAR}\n2021-01-01 13:00:00,{BAR}\n",
        "listing", "1h", ["01 13:00", "01 14:00"],
    ),
    "listing of every fourth hour": (
        f"Date,{OHLC}\n2021-01-01 20:00,{BAR}\n2021-01-02 00:00,{BAR}\n",
        "listing", "4h", ["01 20:00", "02 00:00"],
    ),
    "listing with the day first": (
        f"Date,{OHLC}\n13/01/2021 23:00,{BAR}\n14/01/2021 00:00,{BAR}\n",
        "listing", "1h", ["13 23:00", "14 00:00"],
    ),
    "finance in New York": (
        f"Datetime,{OHLC},Adj Close\n2021-01-01 18:00:00-05:00,{BAR},1\n"
        f"2021-01-01 19:00:00-05:00,{BAR},1\n2021-01-01 20:00:00-05:00,{BAR},1\n",
        "finance", "1h", ["01 23:00", "02 00:00", "02 01:00"],
    ),
    "finance in Tokyo": (
        f"Datetime,{OHLC},Volume\n2021-01-02T08:00:00+09:00,{BAR},1\n"
        f"2021-01-02T09:00:00+09:00,{BAR},1\n",
        "finance", "1h", ["01 23:00", "02 00:00"],
    ),
    "finance over a change to summer time": (
        f"Datetime,{OHLC},Volume\n2021-03-14 00:00:00-05:00,{BAR},1\n"
        f"2021-03-14 01:00:00-05:00,{BAR},1\n2021-03-14 03:00:00-04:00,{BAR},1\n",
        "finance", "1h", ["14 05:00", "14 06:00", "14 07:00"],
    ),
    "an instant is the close of the bar before": (
        "time,price\n2021-01-01T13:00:00Z,1\n2021-01-01T14:00:00Z,2\n",
        "prices", "1h", ["01 12:00", "01 13:00"],
    ),
    "an instant at midnight is the close of the day's last bar": (
        "snapped_at,price,market_cap,total_volume\n2021-01-01 20:00:00 UTC,1,2,3\n"
        "2021-01-02 00:00:00 UTC,1,2,3\n",
        "prices", "4h", ["01 16:00", "01 20:00"],
    ),
    "an instant seconds after a bar is of that bar": (
        "time,price\n2021-01-01T14:00:20Z,1\n2021-01-01T15:00:21Z,2\n2021-01-01T16:00:19Z,2\n",
        "prices", "1h", ["01 13:00", "01 14:00", "01 15:00"],
    ),
    "an instant within a bar is of that bar": (
        "time,price\n2021-01-01T13:20:20Z,1\n2021-01-01T14:20:21Z,2\n2021-01-01T15:20:19Z,2\n",
        "prices", "1h", ["01 13:00", "01 14:00", "01 15:00"],
    ),
    "an instant of another zone": (
        "time,price\n2021-01-01T13:00:00+02:00,1\n2021-01-01T14:00:00+02:00,2\n",
        "prices", "1h", ["01 10:00", "01 11:00"],
    ),
    "an instant counted from 1970": (
        f"timestamp,price\n{D + H},1\n{D + 2 * H},2\n", "prices", "1h", ["01 00:00", "01 01:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("what", FILES)
def test_the_length_of_bars_is_found_and_a_bar_has_the_moment_at_which_it_opens(
    tmp_path: Path, what: str, packed: bool
) -> None:
    text, name, freq, dates = FILES[what]
    # Parquet has names of columns, so klines without a header can't be of it.
    pack = (lambda: gzip.compress(text.encode())) if text[0].isdigit() else lambda: as_parquet(text)
    write_files(tmp_path, {"A.csv": pack() if packed else text})
    for options in (ReadOptions(), ReadOptions(freq=freq))[: 1 if packed else 2]:
        source = FolderSource(tmp_path, options)
        assert (source.freq, source.coins) == (freq, ["A"])
        [partition] = source.partitions(["A"])
        assert partition.freq == freq
        reading = partition.load()
        assert [f"{date:%d %H:%M}" for date in reading.prices["date"]] == dates
        assert the_finding(reading.findings, "layout").value == name
        assert lost(reading.findings).empty


def test_times_of_parquet_are_read_with_their_zone_and_without(tmp_path: Path) -> None:
    times = pd.date_range("2021-01-01 22:00", periods=4, freq="h")
    frame = pd.DataFrame({"date": times, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5})
    east = frame.assign(date=times.tz_localize("UTC").tz_convert("Asia/Tokyo"))
    instants = frame[["date", "close"]].rename(columns={"close": "price"})
    for rows, hour in ((frame, 22), (east, 22), (instants, 21)):
        source = FolderSource(write_files(tmp_path, {"A.parquet": rows.to_parquet()}))
        assert source.freq == "1h"
        assert opens(source)[0] == f"01 {hour}:00"
        assert len(opens(source)) == 4


def test_many_coins_of_a_file_that_goes_hour_by_hour_are_hours(tmp_path: Path) -> None:
    lines = [f"2021-01-01 {h:02d}:00:00,{c},{BAR}\n" for h in range(3) for c in "ABC"]
    ohlc = f"Date,Symbol,{OHLC}\n" + "".join(lines)
    source = FolderSource(write_files(tmp_path, {"all.csv": ohlc}))
    assert (source.freq, source.coins) == ("1h", ["A", "B", "C"])
    for coin in source.coins:
        assert opens(source, coin) == ["01 00:00", "01 01:00", "01 02:00"]
    assert told(source.findings(), "kind") == [("layout",)]


def test_a_column_a_coin_of_hours_has_the_close_of_the_bar_that_ends(tmp_path: Path) -> None:
    wide = "time,A,B\n2021-01-01 01:00:00,1,\n2021-01-01 02:00:00,2,5\n2021-01-01 03:00:00,3,6\n"
    source = FolderSource(write_files(tmp_path, {"wide.csv": wide}))
    assert source.freq == "1h"
    assert opens(source) == ["01 00:00", "01 01:00", "01 02:00"]
    assert opens(source, "B") == ["01 01:00", "01 02:00"]


def test_gaps_of_hours_are_counted_in_bars(tmp_path: Path) -> None:
    text = f"time,{OHLC}\n" + "".join(f"{D + H * n},{BAR}\n" for n in (0, 1, 2, 6, 7))
    source = FolderSource(write_files(tmp_path, {"A.csv": text}))
    row = the_finding(source.findings(), "gap")
    assert (row.line, row.value, row.message) == (4, "3", "hours missing after this one")


# What is left out where a table has bars of one length.
HOURS, FOURS = klines(range(5)), klines(range(5), 4 * H)


def test_bars_of_two_lengths_are_refused_with_a_file_of_each(tmp_path: Path) -> None:
    files = {"A.csv": GOOD, "B.csv": HOURS, "C.csv": HOURS, "D.csv": HOURS}
    folder = write_files(tmp_path / "in", files)
    for read in (FolderSource, CryptoLoader, lambda p: import_prices(p, tmp_path / "table")):
        with pytest.raises(SourceError) as caught:
            read(folder)
        assert str(caught.value) == (
            f"{folder.resolve()}: daily bars (A.csv) and hourly bars (B.csv and 2 more) are mixed, "
            "and a table has bars of one length; say which to read, by --freq, and read the others "
            "into a separate table"
        )
    assert not (tmp_path / "table").exists()
    with pytest.raises(SourceError, match=r"hourly bars \(B\.csv\) and bars of 4h \(C\.csv\) are"):
        FolderSource(write_files(tmp_path / "other", {"B.csv": HOURS, "C.csv": FOURS}))


@pytest.mark.parametrize(("freq", "coin"), [("1d", "A"), ("1h", "B"), ("4h", "C")])
def test_an_option_says_which_bars_to_read_and_the_others_are_left_out_by_name(
    tmp_path: Path, freq: str, coin: str
) -> None:
    files = {"A.csv": GOOD, "B.csv": HOURS, "C.csv": FOURS}
    length = {"A": "daily bars", "B": "hourly bars", "C": "bars of 4h"}
    wanted = length[coin]
    folder = write_files(tmp_path / "in", files)
    options = ReadOptions(freq=freq)
    table = import_prices(folder, tmp_path / "table", options=options)
    assert (table.freq, table.coins) == (freq, [coin])
    others = [other for other in "ABC" if other != coin]
    assert list(table.empty) == others
    assert told(lost(table.findings()), "kind", "coin", "file", "message") == [
        (
            "unreadable_file", other, f"{other}.csv",
            f"date: {length[other]}, and {wanted} are wanted; bring them to a separate table",
        )
        for other in others
    ]  # fmt: skip
    with pytest.raises(PolicyError, match=rf"{others[0]}\.csv, {others[0]}: unreadable_file"):
        FolderSource(folder, ReadOptions(freq=freq, policies={"unreadable_file": "fail"}))


def test_a_folder_without_a_file_of_the_frequency_asked_for_is_refused(tmp_path: Path) -> None:
    folder = write_files(tmp_path, {"B.csv": HOURS})
    with pytest.raises(SourceError, match=r"B\.csv: date: hourly bars, and bars of 4h are wanted"):
        FolderSource(folder, ReadOptions(freq="4h"))
    with pytest.raises(OptionError, match="freq: must be one of 1h, 4h, 1d, got '2h'"):
        ReadOptions(freq="2h")


@pytest.mark.parametrize("step", [60, 900, 2 * H, 8 * H])
def test_bars_of_a_length_that_no_table_has_are_left_out_by_name(tmp_path: Path, step: int) -> None:
    files = {"A.csv": klines(range(9), step), "B.csv": HOURS}
    source = FolderSource(write_files(tmp_path, files))
    assert (source.freq, source.coins) == ("1h", ["B"])
    row = the_finding(source.file_findings(), "unreadable_file")
    assert (row.file, row.message) == (
        "A.csv", f"date: bars of {step:,} seconds; get bars of 1h, 4h, 1d",
    )  # fmt: skip


ONE = {
    "klines": f"{(D + 20 * H) * 1000},{KLINE}\n",
    "listing": f"Date,{OHLC}\n2021-01-01 20:00:00,{BAR}\n",
    "finance": f"Date,{OHLC},Adj Close\n2021-01-01 15:00:00-05:00,{BAR},1\n",
}


@pytest.mark.parametrize("what", ONE)
def test_a_single_row_with_a_time_is_a_bar_of_whatever_the_others_are(
    tmp_path: Path, what: str
) -> None:
    for freq, other in (("1h", HOURS), ("4h", FOURS)):
        source = FolderSource(write_files(tmp_path, {"A.csv": ONE[what], "B.csv": other}))
        assert (source.freq, source.coins) == (freq, ["A", "B"])
        assert opens(source) == ["01 20:00"]
        assert lost(source.findings()).empty
    daily = FolderSource(write_files(tmp_path, {"B.csv": GOOD}))
    assert (daily.freq, daily.coins) == ("1d", ["A", "B"])
    # Of its own it is a day, unless it is said to be an hour.
    (tmp_path / "B.csv").unlink()
    assert FolderSource(tmp_path).freq == "1d"
    assert opens(FolderSource(tmp_path, ReadOptions(freq="1h"))) == ["01 20:00"]


def test_a_single_instant_closes_the_bar_before_it(tmp_path: Path) -> None:
    files = {"A.csv": "time,price\n2021-01-02T00:00:00Z,1\n", "B.csv": FOURS}
    assert opens(FolderSource(write_files(tmp_path, files))) == ["01 20:00"]


@pytest.mark.parametrize(
    "text",
    ["Date,Close\n2021-01-01,1\n", GOOD, f"Date,{OHLC}\n2021-01-01 00:00:00,{BAR}\n"
     f"2021-01-02 00:00:00,{BAR}\n", f"{D},{KLINE}\n{D + 24 * H},{KLINE}\n"],
)  # fmt: skip
def test_days_never_are_bars_of_an_hourly_table(tmp_path: Path, text: str) -> None:
    folder = write_files(tmp_path / "in", {"A.csv": text, "B.csv": HOURS})
    with pytest.raises(SourceError, match=r"daily bars \(A\.csv\) and hourly bars \(B\.csv\) are"):
        FolderSource(folder)
    source = FolderSource(folder, ReadOptions(freq="1h"))
    assert source.coins == ["B"]
    assert the_finding(lost(source.findings()), "unreadable_file").file == "A.csv"


def test_files_without_a_row_say_nothing_of_the_length_of_bars(tmp_path: Path) -> None:
    files = {"A.csv": "Date,Close\n", "B.csv": HOURS, "list.csv": "#,a\n1,2\n"}
    assert FolderSource(write_files(tmp_path, files)).freq == "1h"


def test_read_files_reads_the_bars_that_are_asked_for(tmp_path: Path) -> None:
    write_files(tmp_path, {"A.csv": GOOD, "B.csv": HOURS})
    reading = read_files([tmp_path], ReadOptions(freq="1h"))
    assert set(reading.prices["coin"]) == {"B"}
    assert told(lost(reading.findings), "file") == [("A.csv",)]
    assert len(read_files([tmp_path / "B.csv"]).prices) == 5
    with pytest.raises(SourceError, match="are mixed"):
        read_files([tmp_path])


def test_a_table_of_hours_says_so_wherever_it_is_asked(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", {"A.csv": HOURS, "B.csv": klines(range(2, 9))})
    table = import_prices(folder, tmp_path / "table", partitions=2)
    for opened in (table, PriceTable(table.path), CryptoLoader(table.path), CryptoLoader(folder)):
        assert opened.freq == "1h"
    partitions = pickle.loads(pickle.dumps(table.partitions(table.coins)))
    assert [p.freq for p in partitions] == ["1h", "1h"]
    pd.testing.assert_frame_equal(CryptoLoader(table.path).get_df(), CryptoLoader(folder).get_df())
    assert table.index["last"].tolist() == [pd.Timestamp("2021-01-01 04:00"),
                                            pd.Timestamp("2021-01-01 08:00")]  # fmt: skip


# Round trips: how a layout writes a coin's bars of (opens, open, high, low, close, volume, cap).
Row = tuple[datetime, float, float, float, float, float, float]
Line = Callable[[Row, timedelta], str]


def written(header: str, line: Line) -> Callable[[list[Row], timedelta], str]:
    return lambda rows, step: "\n".join([header, *(line(r, step) for r in rows), ""]).lstrip("\n")


def cells(row: Row, end: int = 7) -> str:
    return ",".join(map(repr, row[1:end]))


def epoch(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)


FULL, CANDLE, PRICE = (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5), (4, 5, 6)
WRITE: dict[str, tuple[Callable[[list[Row], timedelta], str], str, tuple[int, ...]]] = {
    "listing": (
        written("Date,Open,High,Low,Close,Volume,Market Cap", lambda r, _: f"{r[0]},{cells(r)}"),
        "listing", FULL,
    ),
    "long": (
        written("Symbol,Date,Open,High,Low,Close,Volume,Market Cap",
                lambda r, _: f"A,{r[0]:%Y-%m-%dT%H:%M:%SZ},{cells(r)}"),
        "long", FULL,
    ),
    "klines": (
        written("", lambda r, _: f"{epoch(r[0])}000,{cells(r, 5)},1,0,{r[5]!r},3,1,1,0"),
        "klines", CANDLE,
    ),
    "klines with a header": (
        written("Open time,Open,High,Low,Close,Volume,Quote asset volume",
                lambda r, _: f"{r[0]},{cells(r, 5)},1,{r[5]!r}"),
        "klines", CANDLE,
    ),
    "finance": (
        written("Datetime,Open,High,Low,Close,Volume,Adj Close",
                lambda r, _: f"{r[0] - timedelta(hours=5)}-05:00,{cells(r, 6)},{r[4]!r}"),
        "finance", CANDLE,
    ),
    "prices": (
        written("snapped_at,price,total_volume,market_cap",
                lambda r, step: f"{r[0] + step} UTC,{r[4]!r},{r[5]!r},{r[6]!r}"),
        "prices", PRICE,
    ),
    "prices counted from 1970": (
        written("time,price,total_volume,market_cap",
                lambda r, step: f"{epoch(r[0] + step)}000,{r[4]!r},{r[5]!r},{r[6]!r}"),
        "prices", PRICE,
    ),
    "wide": (written("Date,A,B", lambda r, step: f"{r[0] + step},{r[4]!r},"), "wide", (4,)),
}  # fmt: skip

price = st.integers(1, 10**9).map(lambda n: n / 10_000)


@st.composite
def bars(draw: st.DrawFn, freq: str) -> list[Row]:
    """Bars that mostly follow each other, as those of any file do, latest first."""
    step = timedelta(seconds=FREQS[freq])
    holes = draw(st.lists(st.integers(2, 400), max_size=3))
    steps = draw(st.permutations([*holes, *[1] * (len(holes) + 1)]))
    moment = START + step * draw(st.integers(-9_000, 9_000))
    made = []
    for n in (0, *steps):
        moment += n * step
        low, one, other, high = sorted(draw(st.lists(price, min_size=4, max_size=4)))
        made.append((moment, one, high, low, other, draw(price), draw(price)))
    return made[::-1]


@pytest.mark.parametrize("what", WRITE)
@few
@given(
    data=st.data(),
    form=st.sampled_from([None, "gzip", "Parquet"]),
    freq=st.sampled_from(["1h", "4h"]),
)
def test_any_bars_written_in_a_layout_read_back_equal(
    what: str, data: st.DataObject, form: str | None, freq: str
) -> None:
    made = data.draw(bars(freq))
    write, name, places = WRITE[what]
    text = write(made, timedelta(seconds=FREQS[freq]))
    if form == "Parquet" and what == "klines":
        form = None
    content = {"gzip": lambda: gzip.compress(text.encode()), "Parquet": lambda: as_parquet(text)}
    with folder_of({"A.csv": content[form]() if form else text}) as folder:
        source = FolderSource(folder)
        reading = source.partitions(["A"])[0].load()
    assert source.freq == freq
    frame, found = reading.prices, reading.findings
    assert the_finding(found, "layout").value == name
    assert lost(found).empty
    columns = ["", "open", "high", "low", "close", "volume", "market_cap"]
    read = told(frame, "date", *[columns[i] for i in places])
    made = made[::-1]
    assert read == [(pd.Timestamp(row[0]), *(row[i] for i in places)) for row in made]
    missing = [
        (str((b[0] - a[0]) // timedelta(seconds=FREQS[freq]) - 1),) for a, b in pairwise(made)
    ]
    assert told(found.sort_values("date"), "value", kind="gap") == [
        m for m in missing if m[0] != "0"
    ]


def test_few_bars_with_a_gap_are_still_hours(tmp_path: Path) -> None:
    stamps = ("2021-01-01 13:00:00", "2021-01-01 14:00:00", "2021-01-02 00:00:00")
    text = f"Date,{OHLC}\n" + "".join(f"{stamp},{BAR}\n" for stamp in stamps)
    assert FolderSource(write_files(tmp_path, {"A.csv": text})).freq == "1h"


def test_two_bars_with_one_missing_between_are_read_as_what_they_are_said_to_be(
    tmp_path: Path,
) -> None:
    text = f"Date,{OHLC}\n2021-01-01 13:00:00,{BAR}\n2021-01-01 15:00:00,{BAR}\n"
    source = FolderSource(write_files(tmp_path, {"A.csv": text}), ReadOptions(freq="1h"))
    assert source.coins == ["A"]
