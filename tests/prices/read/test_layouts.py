"""Every layout: a file of it, what its dates mean, and a round trip of any prices through it."""

import gzip
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import NotAPriceFileError, OptionError, SourceError, UnreadableFileError
from cryptodask.prices import CryptoLoader, import_prices
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.read.layouts import find_layout
from cryptodask.prices.read.options import LAYOUTS, ReadOptions
from cryptodask.prices.read.price_file import PriceFile
from cryptodask.prices.read.readers import read_price_files
from cryptodask.prices.reading import Reading
from tests.prices.conftest import (
    GOOD,
    MONTHS,
    as_parquet,
    folder_of,
    the_finding,
    told,
    write_files,
)

few = settings(max_examples=5, deadline=None)
DAY = 86_400
D = 1_506_038_400  # 2017-09-22 00:00 UTC


def read(folder: Path, content: str | bytes, options: ReadOptions = ReadOptions()) -> Reading:  # noqa: B008
    # The name says nothing of the content, and nothing of it decides.
    write_files(folder, {"A.dat": content})
    return read_price_files([PriceFile("A", folder / "A.dat")], options)


def rows(reading: Reading, *columns: str) -> list[tuple[object, ...]]:
    frame = reading.prices.assign(date=reading.prices["date"].dt.strftime("%Y-%m-%d"))
    return told(frame, *(columns or ("date", "close")))


def layout(reading: Reading) -> str:
    return str(the_finding(reading.findings, "layout").value)


BAR = "1,2,0.5,1.5"
OHLC = "Open,High,Low,Close"
KLINE = f"{BAR},10,0,15,3,5,7,0"
KLINE_HEADER = "open,high,low,close,volume,close_time,quote_volume,count,buy,buy_quote,ignore"

# What -> text, layout, and the dates that its rows get.
FILES: dict[str, tuple[str, str, list[str]]] = {
    "listing": (GOOD, "listing", ["2017-09-21", "2017-09-22"]),
    "decorated": (
        f'Date,Open*,High,Low,Close**,Volume,Market Cap\n"Sep 22, 2017",{BAR},1,2\n',
        "listing", ["2017-09-22"],
    ),
    "listing with the time of the day's end": (
        f"Date,{OHLC}\n2017-09-22T23:59:59.999Z,{BAR}\n", "listing", ["2017-09-22"],
    ),
    "listing with the time of the day's begin": (
        f"Date,{OHLC}\n2017-09-22 00:00:00,{BAR}\n", "listing", ["2017-09-22"],
    ),
    "serial days are no moments": (f"Date,{OHLC}\n42093,{BAR}\n", "listing", ["2015-03-30"]),
    "long": (
        f"SNo,Name,Symbol,Date,{OHLC}\n1,A,AA,2017-09-22 23:59:59,{BAR}\n", "long", ["2017-09-22"],
    ),
    "a name that is a number names no coin": (
        f"timeOpen;timeClose;name;{OHLC.replace(',', ';')};timestamp\n"
        f"2017-09-22T00:00:00.000Z;2017-09-22T23:59:59.999Z;2781;{BAR.replace(',', ';')};x\n",
        "klines", ["2017-09-22"],
    ),
    "klines": (f"{D},{KLINE}\n{D + DAY},{KLINE}\n", "klines", ["2017-09-22", "2017-09-23"]),
    "klines in milliseconds": (f"{D}000,{KLINE}\n", "klines", ["2017-09-22"]),
    "klines in microseconds": (f"{D}000000,{KLINE}\n", "klines", ["2017-09-22"]),
    "klines in nanoseconds": (f"{D}000000000,{KLINE}\n", "klines", ["2017-09-22"]),
    "klines of two units": (
        f"{D}000,{KLINE}\n{D + DAY}000000,{KLINE}\n", "klines", ["2017-09-22", "2017-09-23"],
    ),
    "klines with a header": (
        f"open_time,{KLINE_HEADER}\n{D}000,{KLINE}\n", "klines", ["2017-09-22"],
    ),
    "klines with a time that is text": (
        f"Open Time,{OHLC}\n2017-09-22 00:00:00,{BAR}\n", "klines", ["2017-09-22"],
    ),
    "a bar that opens at 16:00 closes in the next day": (
        f"{D + 16 * 3600},{KLINE}\n", "klines", ["2017-09-23"],
    ),
    "the same as text": (
        f"Open Time,{OHLC}\n2017-09-22 16:00,{BAR}\n", "klines", ["2017-09-23"],
    ),
    "banner": (
        f"From a site, with thanks\nunix,date,symbol,{OHLC},Volume BTC,Volume USDT\n"
        f"{D},2017-09-22 00:00:00,A,{BAR},10,15\n",
        "long", ["2017-09-22"],
    ),
    "finance": (
        f"Volume,Adj Close,Date,{OHLC}\n\n,,2017-09-21,,,,\n10,1.5,2017-09-22,1,,0.5,1.5\n"
        "null,null,2017-09-23,null,null,null,null\n",
        "finance", ["2017-09-22"],
    ),
    "finance east of Greenwich": (
        f"Date,{OHLC},Adj Close\n2017-09-22 00:00:00+05:30,{BAR},1.5\n", "finance", ["2017-09-22"],
    ),
    "finance west of Greenwich": (
        f"Date,{OHLC},Volume\n2017-09-22 00:00:00-04:00,{BAR},9\n", "finance", ["2017-09-22"],
    ),
    "finance with a header of three rows": (
        "Price,Close,High,Low,Open,Volume\nTicker,B,B,B,B,B\nDate,,,,,\n2017-09-22,1,2,1,1,9\n",
        "finance", ["2017-09-22"],
    ),
    "plain days of a price are those days": (
        "Date,Price\n2017-09-22,1.5\n", "prices", ["2017-09-22"],
    ),
    "a price at midnight is the close of the day before": (
        "snapped_at,price,market_cap,total_volume\n2017-09-22 00:00:00 UTC,1.5,3,4\n",
        "prices", ["2017-09-21"],
    ),
    "a price within a day is of that day": (
        "time,price\n2017-09-22T01:00:01Z,1.5\n2017-09-23T22:59:59Z,1.5\n",
        "prices", ["2017-09-22", "2017-09-23"],
    ),
    "a price seconds after midnight is the close of the day before": (
        "time,price\n2017-09-23T00:00:01Z,1.5\n2017-09-23T23:59:59Z,1.5\n",
        "prices", ["2017-09-22", "2017-09-23"],
    ),
    "a price at midnight of another zone": (
        "time,price\n2017-09-22T00:00:00+02:00,1.5\n2017-09-23T02:00:00+02:00,1.5\n",
        "prices", ["2017-09-21", "2017-09-22"],
    ),
    "a price at a moment since 1970": (
        f"timestamp,price\n{D},1\n{D + DAY + 1}000,2\n", "prices", ["2017-09-21", "2017-09-22"],
    ),
    "wide": ("Date,A,B\n2017-09-22,1.5,\n2017-09-23,,2\n", "wide", ["2017-09-22", "2017-09-23"]),
    "wide, with an index without a name": (
        ",1INCH,B\n2017-09-22 00:00:00,,2\n", "wide", ["2017-09-21"],
    ),
    "semicolons": ("Date;Close\n2017-09-22;1.5\n", "prices", ["2017-09-22"]),
    "semicolons and decimal commas": (
        "Date;Close\n2017-09-22;1.234,5\n2017-09-23;0,5\n", "prices", ["2017-09-22", "2017-09-23"],
    ),
    "tabs": ("Date\tClose\n2017-09-22\t1.5\n", "prices", ["2017-09-22"]),
    "day first": (
        "Date,Price\n22-09-2017,1\n10-09-2017,2\n", "prices", ["2017-09-10", "2017-09-22"],
    ),
    "month first": (
        "Date,Price\n09/10/2017,1\n09/22/2017,2\n", "prices", ["2017-09-10", "2017-09-22"],
    ),
    "day and month equal in every row": (
        "Date,Price\n09/09/2017,1\n10/10/2017,2\n", "prices", ["2017-09-09", "2017-10-10"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("what", FILES)
def test_a_layout_is_told_and_its_dates_are_the_days_that_the_closes_end(
    tmp_path: Path, what: str, packed: bool
) -> None:
    text, name, dates = FILES[what]
    reading = read(tmp_path, gzip.compress(text.encode()) if packed else text)
    assert layout(reading) == name
    assert [when for when, _ in rows(reading)] == dates
    row = the_finding(reading.findings, "layout")
    assert row.message.startswith(f"{name}: {LAYOUTS[name]}")
    assert ("gzip" in row.message) == packed
    assert lost(reading.findings).empty


@pytest.mark.parametrize("packed", [False, True])
def test_parquet_of_any_layout_is_read(tmp_path: Path, packed: bool) -> None:
    for what in ("listing", "long", "klines with a header", "finance", "wide", "month first"):
        text, name, dates = FILES[what]
        data = as_parquet(text)
        reading = read(tmp_path, gzip.compress(data) if packed else data)
        assert (layout(reading), [when for when, _ in rows(reading)]) == (name, dates)


def test_days_of_parquet_are_days_and_moments_are_moments(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.to_datetime(["2017-09-22"]), "price": [1.5]})
    assert rows(read(tmp_path, frame.to_parquet())) == [("2017-09-22", 1.5)]
    frame["date"] = frame["date"].dt.tz_localize("UTC")
    assert rows(read(tmp_path, frame.to_parquet())) == [("2017-09-21", 1.5)]


def test_damaged_parquet_is_named(tmp_path: Path) -> None:
    data = pd.DataFrame({"date": ["2017-09-22"], "price": [1.5]}).to_parquet()
    found = read(tmp_path, data[: len(data) // 2]).findings
    assert "can't be read as Parquet" in the_finding(found, "unreadable_file").message


def test_the_volume_is_that_in_the_quote_currency(tmp_path: Path) -> None:
    for text, volume in (
        (f"{D},{KLINE}\n", [15.0]),
        (f"open_time,{KLINE_HEADER}\n{D},{KLINE}\n", [15.0]),
        (FILES["banner"][0], [15.0]),
        (FILES["a price at midnight is the close of the day before"][0], [4.0]),
        ("Date,Price,Vol.\n2017-09-22,1,1.5M\n2017-09-23,1,2K\n", [1_500_000.0, 2_000.0]),
    ):
        assert read(tmp_path, text).prices["volume"].tolist() == volume
    # A volume in coins is none in dollars.
    no_quote = read(tmp_path, f"time,{OHLC},volume\n{D},{BAR},10\n")
    assert no_quote.prices["volume"].isna().all()
    asked = ReadOptions(columns={"volume": "Volume"})
    asked_for = read(tmp_path, f"time,{OHLC},volume\n{D},{BAR},10\n", asked)
    assert asked_for.prices["volume"].tolist() == [10.0]


def test_the_order_of_klines_without_a_header_is_that_which_the_values_allow(
    tmp_path: Path,
) -> None:
    reading = read(tmp_path, f"{D},0.5,2,1,1.5,10\n{D + DAY},1,3,1.5,2,10\n")
    assert rows(reading, "open", "high", "low", "close") == [(1, 2, 0.5, 1.5), (1.5, 3, 1, 2)]
    found = read(tmp_path, f"{D},2,0.5,1,1.5,10\n").findings
    assert "no header, and columns 2 to 5" in the_finding(found, "unreadable_file").message


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        (3600, "hourly bars, and daily bars are wanted; bring them to a separate table"),
        (900, "bars of 900 seconds; get bars of 1h, 4h, 1d"),
        (7 * DAY, "bars of 7 days; get bars of 1h, 4h, 1d"),
        (30 * DAY, "bars of 30 days; get bars of 1h, 4h, 1d"),
    ],
)
def test_bars_of_another_length_are_refused_and_not_thinned(
    tmp_path: Path, seconds: int, why: str
) -> None:
    text = "".join(f"{D + seconds * i},{KLINE}\n" for i in range(30))
    reading = read(tmp_path, text)
    assert reading.prices.empty
    assert the_finding(reading.findings, "unreadable_file").message == f"date: {why}"


def test_every_value_of_a_row_blank_is_no_loss_and_told(tmp_path: Path) -> None:
    found = read(tmp_path, FILES["finance"][0]).findings
    assert told(found, "line", "message", kind="missing_value") == [(4, "high")]
    assert told(found, "line", "action", kind="blank_row") == [(3, "drop"), (5, "drop")]


# What a file says of its days -> why it is refused without an option.
UNDECIDED = {
    "Date,Price\n09/10/2017,1\n08/11/2017,2\n": "no row has a number above 12",
    "Date,Price\n22/10/2017,1\n10/22/2017,2\n": "both 22/10 and 10/22 occur",
}


@pytest.mark.parametrize("text", UNDECIDED)
def test_days_that_a_file_does_not_decide_are_an_error_that_asks(tmp_path: Path, text: str) -> None:
    reading = read(tmp_path, text)
    assert reading.prices.empty
    row = the_finding(reading.findings, "unreadable_file")
    assert UNDECIDED[text] in row.message
    assert "--dayfirst or --monthfirst" in row.message


def test_an_option_decides_only_what_the_file_does_not(tmp_path: Path) -> None:
    undecided, both = UNDECIDED
    one, other = ReadOptions(day_first=True), ReadOptions(day_first=False)
    assert rows(read(tmp_path, undecided, one)) == [("2017-10-09", 1), ("2017-11-08", 2)]
    assert rows(read(tmp_path, undecided, other)) == [("2017-08-11", 2), ("2017-09-10", 1)]
    row = the_finding(read(tmp_path, undecided, other).findings, "day_month_order")
    assert (row.value, row.message) == ("month first", "month first, as the option says")
    proven = read(tmp_path, FILES["month first"][0], one)
    assert [when for when, _ in rows(proven)] == ["2017-09-10", "2017-09-22"]
    assert "as 9/22 shows" in the_finding(proven.findings, "day_month_order").message
    # Of a file of both, what can't be read so is left out row by row.
    reading = read(tmp_path, both, one)
    assert rows(reading) == [("2017-10-22", 1)]
    assert told(lost(reading.findings), "line", "value") == [(3, "10/22/2017")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Date;Close\n2017-09-22;1,5\n2017-09-23;1.5\n", "a decimal comma and '1.5' a decimal"),
        (
            "Date;Close\n2017-09-22;1,500\n2017-09-23;2.500\n",
            "decimal and thousands mark can't be told apart",
        ),
    ],
)
def test_decimal_marks_that_a_file_does_not_decide_are_an_error(
    tmp_path: Path, text: str, message: str
) -> None:
    assert message in the_finding(read(tmp_path, text).findings, "unreadable_file").message


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Open,Close\n1,2\n", "date"),
        ("Date,Volume\n2017-09-22,2\n", "close"),
        ("Date,Note\n2017-09-22,7\n", "close"),
        ("Date,Note,Mood\n2017-09-22,7,good\n", "close"),
        ("#,Name,Price\n1,Bitcoin,5\n", "date"),
    ],
)
def test_a_layout_that_is_not_known_names_columns_found_and_needed(
    tmp_path: Path, text: str, missing: str
) -> None:
    row = the_finding(read(tmp_path, text).findings, "not_a_price_file")
    header = text.partition("\n")[0].replace(",", ", ")
    assert row.message == (
        f"has no {missing} column, so it is not a file of prices; columns found: {header}; needed: "
        f"date, close; if it is one, name it with --column {missing}=NAME"
    )


def test_columns_may_be_named_by_option(tmp_path: Path) -> None:
    text = "when,what,Close\n2017-09-22,1.5,9\n"
    named = ReadOptions(columns={"date": "When", "close": "what"})
    assert rows(read(tmp_path, text, named)) == [("2017-09-22", 1.5)]
    row = the_finding(read(tmp_path, GOOD, named).findings, "unreadable_file")
    assert "has no column 'When', which was named for date; columns found: Date" in row.message
    other = the_finding(read(tmp_path, "a,b\n1,2\n", named).findings, "not_a_price_file")
    assert "columns found: a, b" in other.message


def test_a_layout_may_be_named_by_option(tmp_path: Path) -> None:
    text = "snapped_at,price\n2017-09-22 00:00:00,1.5\n"
    assert rows(read(tmp_path, text, ReadOptions(layout="listing"))) == [("2017-09-22", 1.5)]
    one = "Date,B\n2017-09-22,1.5\n"
    assert layout(read(tmp_path, one, ReadOptions(layout="wide"))) == "wide"
    found = read(tmp_path, GOOD, ReadOptions(layout="wide")).findings
    assert lost(found).empty
    assert "is not a wide table" in the_finding(found, "not_a_price_file").message
    found = read(tmp_path, GOOD, ReadOptions(layout="long")).findings
    assert "has no coin column" in the_finding(found, "not_a_price_file").message


def test_options_that_are_none_are_refused_with_those_that_are() -> None:
    with pytest.raises(OptionError, match=r"no layout 'long listing'; known: listing, long"):
        ReadOptions(layout="long listing")
    with pytest.raises(
        OptionError, match="no column 'price', write COLUMN=HEADER; known: coin, date, open"
    ):
        ReadOptions(columns={"price": "Price"})


def test_options_travel_and_compare() -> None:
    options = ReadOptions(day_first=True, columns={"close": "what"})
    again = pickle.loads(pickle.dumps(options))
    assert again == options
    assert hash(again) == hash(options)
    assert options != ReadOptions()


def test_a_layout_is_found_from_rows_alone() -> None:
    found = find_layout([["a banner"], ["Date", "Close"], ["2017-09-22", "1"]], ReadOptions())
    assert (found.name, found.first, dict(found.columns)) == ("prices", 2, {"date": 0, "close": 1})
    with pytest.raises(NotAPriceFileError, match="columns found: a, b; needed: date, close"):
        find_layout([["x"], ["a", "b"], ["1", "2"]], ReadOptions())
    with pytest.raises(UnreadableFileError, match="has 2 columns date"):
        find_layout([["Date", "Close", "date"]], ReadOptions())


TWO = "Date,Name,Close\n2017-09-22,B,1\n2017-09-22,A,2\n2017-09-23, b ,3\n2017-09-23,C,x\n"
YEAR = "Date,Name,Close\n2017-09-24,B,4\n2017-09-22,B,1\n"


def test_coins_of_a_file_of_many_are_coins_of_the_folder_and_lie_whole(tmp_path: Path) -> None:
    files = {"all.csv": TWO, "more.csv": YEAR, "wide.txt": "Date,D,E\n2017-09-22,7,8\n"}
    source = FolderSource(write_files(tmp_path, files))
    assert source.coins == ["A", "B", "C", "D", "E"]
    for n in (1, 2, 5):
        partitions = source.partitions(source.coins, n)
        frames = [pickle.loads(pickle.dumps(p)).read() for p in partitions]
        assert [set(f["coin"]) <= set(p.coins) for f, p in zip(frames, partitions, strict=True)]
        closes = pd.concat(frames).groupby("coin")["close"].apply(list)
        assert closes.to_dict() == {"A": [2.0], "B": [1.0, 3.0, 4.0], "D": [7.0], "E": [8.0]}
    found = source.findings()
    assert told(found, "file", "value", kind="layout") == [
        ("all.csv", "prices"), ("more.csv", "prices"), ("wide.txt", "wide"),
    ]  # fmt: skip
    assert told(lost(found), "coin", "file", "line", "value") == [("C", "all.csv", 5, "x")]
    assert the_finding(found, "merged_file").message == "merged with all.csv: 1 days are new"


def test_what_is_of_a_whole_file_of_many_is_told_once(tmp_path: Path) -> None:
    text = TWO + "2017-09-24,,5\n2017-09-24,A\n2017-09-25,\x07,5\n"
    source = FolderSource(write_files(tmp_path, {"all.csv": text}))
    gone = lost(source.findings())
    assert sorted(told(gone, "line", "message")) == [
        (5, "close: no number"),
        (6, "coin: no name that can be shown"),
        (7, "2 fields, the header has 3"),
        (8, "coin: no name that can be shown"),
    ]


@pytest.mark.parametrize("bad", ["BAD\x1b[31m", "BAD\u202eX"])
@pytest.mark.parametrize("write", [str, as_parquet], ids=["text", "parquet"])
def test_a_column_of_a_wide_table_that_can_not_be_shown_costs_no_other_coin(
    tmp_path: Path, write: Callable[[str], str | bytes], bad: str
) -> None:
    text = f"date,A,{bad}, cafe\u0301\n" + "".join(
        f"2017-09-{d},{d},1,{d}\n" for d in range(10, 30)
    )
    source = FolderSource(write_files(tmp_path, {"wide.csv": write(text)}))
    assert source.coins == ["A", "caf\xe9"]
    why = "coin: a column without a name that can be shown; rename it"
    assert told(lost(source.findings()), "coin", "value", "message") == [("", bad, why)]


def test_the_order_of_days_is_that_of_the_whole_file_for_each_of_its_coins(tmp_path: Path) -> None:
    text = "Date,Name,Close\n09/10/2017,A,1\n09/22/2017,B,2\n"
    loader = CryptoLoader(write_files(tmp_path, {"all.csv": text}), partitions=2)
    assert loader.get_df("A")["date"].tolist() == [pd.Timestamp("2017-09-10")]
    assert len(told(loader.findings(), kind="day_month_order")) == 1


def test_a_file_named_for_what_it_was_before_it_was_packed(tmp_path: Path) -> None:
    files = {"A b.csv.gz": gzip.compress(GOOD.encode()), "C.csv.gz": b"\x1f\x8b\x08\x00"}
    source = FolderSource(write_files(tmp_path, files))
    assert source.coins == ["A b"]
    assert "damaged gzip" in the_finding(lost(source.findings()), "unreadable_file").message


def test_options_reach_a_folder_its_import_and_no_table(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", {"A.csv": next(iter(UNDECIDED))})
    options = ReadOptions(day_first=True)
    with pytest.raises(SourceError, match=r"--dayfirst"):
        import_prices(folder, tmp_path / "none")
    table = import_prices(folder, tmp_path / "table", options=options)
    days = CryptoLoader(table.path).get_df()["date"]
    assert days.tolist() == list(pd.to_datetime(["2017-10-09", "2017-11-08"]))
    assert CryptoLoader(folder, options=options).get_df()["date"].tolist() == days.tolist()
    with pytest.raises(OptionError, match="give them to the import"):
        CryptoLoader(table.path, options=options)


# Round trips: how a layout writes a coin's rows of (day, open, high, low, close, volume, cap).
Row = tuple[date, float, float, float, float, float, float]


def epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def written(header: str, line: Callable[[Row], str]) -> Callable[[list[Row]], str]:
    return lambda rows: "\n".join([header, *map(line, rows), ""]).lstrip("\n")


def cells(row: Row, end: int = 7, sep: str = ",") -> str:
    return sep.join(map(repr, row[1:end]))


def comma(row: Row) -> str:
    return cells(row, sep=";").replace(".", ",")


FULL, CANDLE, PRICE = (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5), (4, 5, 6)
WRITE: dict[str, tuple[Callable[[list[Row]], str], str, tuple[int, ...]]] = {
    "listing": (
        written("Date,Open*,High,Low,Close**,Volume,Market Cap",
                lambda r: f'"{MONTHS[r[0].month - 1]} {r[0].day:02d}, {r[0].year}",{cells(r)}'),
        "listing", FULL,
    ),
    "long": (
        written("Symbol,Date,Open,High,Low,Close,Volume,Market Cap",
                lambda r: f"A,{r[0]} 23:59:59,{cells(r)}"),
        "long", FULL,
    ),
    "klines": (
        written("", lambda r: f"{epoch(r[0])},{cells(r, 5)},1,0,{r[5]!r},3,1,1,0"),
        "klines", CANDLE,
    ),
    "klines with a header": (
        written("Open time,Open,High,Low,Close,Volume,Quote asset volume",
                lambda r: f"{epoch(r[0])}000000,{cells(r, 5)},1,{r[5]!r}"),
        "klines", CANDLE,
    ),
    "finance": (
        written("Date,Open,High,Low,Close,Volume,Adj Close",
                lambda r: f"{r[0]} 00:00:00-05:00,{cells(r, 6)},{r[4]!r}"),
        "finance", CANDLE,
    ),
    "prices": (
        written("snapped_at,price,total_volume,market_cap",
                lambda r: f"{r[0] + timedelta(days=1)} 00:00:00 UTC,{r[4]!r},{r[5]!r},{r[6]!r}"),
        "prices", PRICE,
    ),
    "day first": (
        written("Date,Close,Volume,Market Cap",
                lambda r: f"{r[0]:%d-%m-%Y},{r[4]!r},{r[5]!r},{r[6]!r}"),
        "prices", PRICE,
    ),
    "wide": (written("Date,A,B", lambda r: f"{r[0]},{r[4]!r},"), "wide", (4,)),
    "decimal commas": (
        written("Date;Open;High;Low;Close;Volume;Market Cap", lambda r: f"{r[0]};{comma(r)}"),
        "listing", FULL,
    ),
}  # fmt: skip

price = st.integers(1, 10**9).map(lambda n: n / 10_000)


@st.composite
def price_rows(draw: st.DrawFn) -> list[Row]:
    days = st.dates(date(2009, 1, 1), date(2025, 12, 30))
    wanted = draw(st.lists(days, min_size=1, max_size=6, unique=True))
    made = []
    for day in sorted({*wanted, date(2017, 9, 22)}, reverse=True):  # one day that tells its order
        low, one, other, high = sorted(draw(st.lists(price, min_size=4, max_size=4)))
        made.append((day, one, high, low, other, draw(price), draw(price)))
    return made


@pytest.mark.parametrize("form", [None, "gzip", "Parquet"])
@pytest.mark.parametrize("what", WRITE)
@few
@given(made=price_rows())
def test_any_prices_written_in_a_layout_read_back_equal(
    what: str, form: str | None, made: list[Row]
) -> None:
    write, name, places = WRITE[what]
    text = write([(row[0], *row[1:]) for row in made])
    if form == "Parquet" and (";" in text or what == "klines"):
        form = None  # Parquet has names of columns, and no commas
    data = {"gzip": lambda: gzip.compress(text.encode()), "Parquet": lambda: as_parquet(text)}
    with folder_of({"A.csv": data[form]() if form else text}) as folder:
        reading = read_price_files([PriceFile("A", folder / "A.csv")])
    assert layout(reading) == name
    assert lost(reading.findings).empty
    columns = ["", "open", "high", "low", "close", "volume", "market_cap"]
    assert rows(reading, "date", *[columns[i] for i in places]) == [
        (row[0].isoformat(), *(row[i] for i in places)) for row in sorted(made)
    ]
