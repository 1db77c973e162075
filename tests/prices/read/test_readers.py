import codecs
import math
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import NotAPriceFileError, UnreadableFileError
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.read.price_file import PriceFile, check_price_file
from cryptodask.prices.read.readers import read_price_files
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import NUMBER_COLUMNS, TABLE_COLUMNS, empty_prices
from cryptodask.prices.synthetic import synthetic_prices, write_sample
from tests.prices.conftest import (
    GOOD,
    HEADER,
    MONTHS,
    folder_of,
    listing,
    the_finding,
    told,
    write_files,
)

few = settings(max_examples=25, deadline=None)


def read(folder: Path, *names: str) -> Reading:
    """Read files of a folder; that each took a layout is what test_layouts holds."""
    reading = read_price_files([PriceFile(Path(name).stem, folder / name) for name in names])
    other = reading.findings[reading.findings["kind"] != "layout"]
    return Reading(reading.prices, other.reset_index(drop=True))


def read_one(folder: Path, content: str | bytes) -> Reading:
    return read(write_files(folder, {"A.csv": content}), "A.csv")


def closes(reading: Reading) -> list[float]:
    return reading.prices["close"].tolist()


def test_a_listing_is_read_oldest_first_with_its_types(tmp_path: Path) -> None:
    prices = read_one(tmp_path, GOOD).prices
    expected = pd.DataFrame(
        {
            "coin": ["A", "A"],
            "date": pd.to_datetime(["2017-09-21", "2017-09-22"]).astype("datetime64[s]"),
            "open": [1.0, 1.1],
            "high": [2.0, 2.2],
            "low": [0.5, 0.5],
            "close": [1.1, 1.5],
            "volume": [900.0, 1_000.0],
            "market_cap": [np.nan, 2_000_000.0],
        }
    )
    pd.testing.assert_frame_equal(prices, expected)
    pd.testing.assert_series_equal(prices.dtypes, empty_prices().dtypes)


def test_columns_are_found_by_name_in_any_order_among_others(tmp_path: Path) -> None:
    header = "SNo, MARKET_CAP ,Close**,Symbol,date,Volume"
    reading = read_one(tmp_path, listing("1,7,1.5,A,2017-09-22,", header=header))
    [row] = reading.prices.itertuples(index=False)
    assert (row.close, row.market_cap, f"{row.date:%Y-%m-%d}") == (1.5, 7.0, "2017-09-22")
    assert all(math.isnan(value) for value in (row.open, row.high, row.low, row.volume))


def test_only_a_cell_that_is_there_and_blank_is_a_missing_value(tmp_path: Path) -> None:
    lines = ("2017-09-22,1.5,", "2017-09-23,1.5,7")
    reading = read_one(tmp_path, listing(*lines, header="Date,Close,Volume"))
    assert told(reading.findings, "kind", "line", "value", "message") == [
        ("missing_value", 2, "", "volume")
    ]
    assert reading.prices[["open", "high", "low", "market_cap"]].isna().all(axis=None)


def test_date_and_close_are_enough_even_where_no_file_has_more(tmp_path: Path) -> None:
    reading = read_one(tmp_path, listing("2017-09-22,1.5", header="Date,Close"))
    assert list(reading.prices.columns) == list(TABLE_COLUMNS)
    pd.testing.assert_series_equal(reading.prices.dtypes, empty_prices().dtypes)
    assert closes(reading) == [1.5]
    assert reading.findings.empty


def test_files_with_other_columns_are_read_together(tmp_path: Path) -> None:
    write_files(tmp_path, {"A.csv": GOOD, "B.csv": listing("2017-09-22,3", header="Date,Close")})
    reading = read(tmp_path, "A.csv", "B.csv")
    assert told(reading.prices, "coin", "close") == [("A", 1.1), ("A", 1.5), ("B", 3.0)]
    assert told(reading.findings, "kind", "coin", "message") == [
        ("missing_value", "A", "market_cap")
    ]


def test_no_files_give_no_rows_of_the_same_types() -> None:
    reading = read_price_files([])
    pd.testing.assert_frame_equal(reading.prices, empty_prices())
    assert reading.findings.empty


# What is wrong with one row -> kind, value and message of its finding.
BAD_ROWS = {
    '"Feb 30, 2017",1,1,1,1,1,1': (
        "unreadable_row", "Feb 30, 2017", "date: no such day in the calendar",
    ),
    "09/10/2017,1,1,1,1,1,1": (
        "unreadable_row", "09/10/2017",
        "date: day and month can't be told apart; write it as YYYY-MM-DD",
    ),
    ",1,1,1,1,1,1": ("unreadable_row", "", "date: no date"),
    "2017-01-01,1,1,1,unknown,1,1": ("unreadable_row", "unknown", "close: no number"),
    "2017-01-01,1,1,1,-,1,1": ("unreadable_row", "-", "close: missing"),
    "2017-01-01,1,?!,1,1,1,1": ("unreadable_row", "?!", "high: no number"),
    "2017-01-01,1,1,1,1,some,1": ("unreadable_row", "some", "volume: no number"),
    "2017-01-01,1,1,1,1,1e999,1": ("unreadable_row", "1e999", "volume: no number"),
    "soon,x,y,z,?,a,b": ("unreadable_row", "soon", "date: no day in a form that is known"),
    "2017-01-01,1,1": ("unreadable_row", "2017-01-01,1,1", "3 fields, the header has 7"),
    "2017-01-01,1,1,1,1,1,1,1": (
        "unreadable_row", "2017-01-01,1,1,1,1,1,1,1", "8 fields, the header has 7",
    ),
    "2017-01-01,1,1,1,-1.5,1,1": ("nonpositive_close", "-1.5", "close: must be above 0"),
    "2017-01-01,1,1,1,0,1,1": ("nonpositive_close", "0", "close: must be above 0"),
}  # fmt: skip


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_left_out_with_file_line_value_and_reason(tmp_path: Path, row: str) -> None:
    text = listing("2017-09-20,1,1,1,1.2,1,1", row, "2017-09-22,1,1,1,1.4,1,1")
    reading = read_one(tmp_path, text)
    assert closes(reading) == [1.2, 1.4]
    gone = lost(reading.findings)
    assert told(gone, "coin", "file", "line") == [("A", "A.csv", 3)]
    assert told(gone, "kind", "value", "message") == [BAD_ROWS[row]]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        ("2017-09-22,-1,2,1,1.5,1,1", "open", "-1"),
        ("2017-09-22,1,0,1,1.5,1,1", "high", "0"),
        ('2017-09-22,1,2,1,1.5,"-1,000",1', "volume", "-1,000"),
    ],
)
def test_another_value_that_no_price_has_is_set_to_missing_and_told(
    tmp_path: Path, row: str, column: str, value: str
) -> None:
    reading = read_one(tmp_path, listing(row))
    assert closes(reading) == [1.5]
    assert reading.prices[column].isna().all()
    assert reading.prices.drop(columns=column).notna().all(axis=None)
    assert told(reading.findings, "kind", "line", "value", "message") == [
        ("nonpositive_value", 2, value, column)
    ]


def test_a_volume_of_zero_stays_zero_and_a_missing_one_stays_missing(tmp_path: Path) -> None:
    reading = read_one(tmp_path, listing("2017-09-22,1,2,1,1.5,0,-"))
    assert reading.prices["volume"].tolist() == [0.0]
    assert told(reading.findings, "kind", "line", "value", "message") == [
        ("missing_value", 2, "-", "market_cap"),
        ("zero_volume", 2, "0", ""),
    ]


def test_a_serial_number_is_read_and_told(tmp_path: Path) -> None:
    reading = read_one(tmp_path, listing("42093,1,2,1,1.5,1,1"))
    assert reading.prices["date"].tolist() == [pd.Timestamp("2015-03-30")]
    assert told(reading.findings, "kind", "line", "value") == [("serial_date", 2, "42093")]


def test_the_findings_of_a_row_that_is_left_out_are_only_why(tmp_path: Path) -> None:
    reading = read_one(tmp_path, listing("42093,-1,-,1,x,0,-", "2017-09-22,1,2,1,1.5,1,1"))
    assert told(reading.findings) == [("unreadable_row", "A.csv", 2)]


# What is no readable file -> what is said of it.
BAD_FILES: dict[str, tuple[str | bytes, str]] = {
    "nothing": (b"", "is empty"),
    "white space": (b" \r\n\t\n", "is empty"),
    "a byte order mark": (codecs.BOM_UTF8, "is empty"),
    "a byte order mark of UTF-16": (codecs.BOM_UTF16_LE, "is empty"),
    "binary": (bytes(range(256)) * 4, "is binary"),
    "compressed": (b"\x1f\x8b\x08\x08\xc3\x28\xff\xfe,\n1,2\n", "is damaged gzip"),
    "a header and no row": (HEADER + "\n\n", "has a header and no row"),
    "Latin-1": ((GOOD + "2017-09-20,1,1,1,é,1,1\n").encode("latin-1"), "is not utf-8 text"),
    "half of UTF-16": (GOOD.encode("utf-16")[:-1], "is not utf-16"),
    "two closes": (listing("2017-09-22,1,2", header="Date,Close,close"), "has 2 columns close"),
    "a field without an end": (GOOD + '2017-09-20,"' + "x" * 140_000, "field larger than"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_cant_be_read_is_named_and_hurts_no_other(tmp_path: Path, what: str) -> None:
    content, message = BAD_FILES[what]
    reading = read(write_files(tmp_path, {"A.csv": GOOD, "B.csv": content}), "A.csv", "B.csv")
    assert told(reading.prices, "coin", "close") == [("A", 1.1), ("A", 1.5)]
    row = the_finding(reading.findings, "unreadable_file")
    assert (row.coin, row.file, row.line) == ("B", "B.csv", 0)
    assert message in row.message
    assert len(lost(reading.findings)) == 1


def test_a_file_that_went_away_is_named_and_hurts_no_other(tmp_path: Path) -> None:
    reading = read(write_files(tmp_path, {"A.csv": GOOD}), "A.csv", "gone.csv")
    assert closes(reading) == [1.1, 1.5]
    row = the_finding(reading.findings, "unreadable_file")
    assert (row.file, row.message) == ("gone.csv", "can't be opened: No such file or directory")


def test_a_table_that_is_not_of_prices_is_named_with_its_columns(tmp_path: Path) -> None:
    text = listing("1,Bitcoin,$3,631.72", header="#,Name,Price,Volume (24h)")
    found = read_one(tmp_path, text).findings
    row = the_finding(found, "not_a_price_file")
    assert "has no date column" in row.message
    assert "#, Name, Price, Volume (24h)" in row.message
    assert lost(found).empty
    with pytest.raises(NotAPriceFileError, match=r"^A\.csv: has no date column"):
        check_price_file(tmp_path / "A.csv")


@pytest.mark.parametrize(
    "what", sorted(set(BAD_FILES) - {"half of UTF-16", "a field without an end"})
)
def test_a_look_at_the_first_bytes_finds_the_same_fault(tmp_path: Path, what: str) -> None:
    content, message = BAD_FILES[what]
    write_files(tmp_path, {"A.csv": content})
    with pytest.raises(UnreadableFileError, match=rf"^A\.csv: .*{message}"):
        check_price_file(tmp_path / "A.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("shift", range(4))
def test_the_end_of_the_look_may_fall_inside_a_character(
    tmp_path: Path, encoding: str, shift: int
) -> None:
    rows = ["x" * shift + ",2017-09-22,1", *["\U0001f600\U0001f600" * 60 + ",2017-09-22,1"] * 150]
    text = listing(*rows, header="Note,Date,Close")
    assert len(text.encode(encoding)) > 70_000
    write_files(tmp_path, {"A.csv": text.encode(encoding)})
    check_price_file(tmp_path / "A.csv")


def test_a_fault_beyond_the_first_bytes_is_told_when_the_file_is_read(tmp_path: Path) -> None:
    text = listing(*["2017-09-22,1,1,1,1,1,1"] * 4_000)
    write_files(tmp_path, {"A.csv": text.encode() + b"\0\0", "B.csv": text.encode() + b"\xff"})
    for name in ("A.csv", "B.csv"):
        check_price_file(tmp_path / name)
    found = read(tmp_path, "A.csv", "B.csv").findings
    assert told(found, "kind", "file", "message") == [
        ("unreadable_file", "A.csv", "is binary, not a text file of prices"),
        ("unreadable_file", "B.csv",
         "line 4002: is not utf-8 text; save the file as UTF-8 (of cp1252 or Latin-1: iconv -f "
         "CP1252 -t UTF-8 FILE)"),
    ]  # fmt: skip


ENCODE: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode("utf-8"),
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-16 little": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16 big": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}


@pytest.mark.parametrize("encoding", ENCODE)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_is_counted_as_an_editor_counts_it(tmp_path: Path, encoding: str, end: str) -> None:
    lines = [
        "",
        'Date,"Note of\nmany lines",Close',  # lines 2 and 3
        "2017-09-20,é,1.5",
        "",
        "   ",
        "2017-09-21,a,bad",  # 7
        '2017-09-22,"one\n\ntwo, ""three""",worse',  # 8 to 10
        '2017-09-23,"x\ny",2.5',
        "2017-09-24,last,worst",  # 13, without a line end
    ]
    text = "\n".join(lines).replace("\n", end)
    reading = read_one(tmp_path, ENCODE[encoding](text))
    assert closes(reading) == [1.5, 2.5]
    assert told(reading.findings, "line", "value", kind="unreadable_row") == [
        (7, "bad"),
        (8, "worse"),
        (13, "worst"),
    ]


notes = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@few
@given(
    rows=st.lists(st.tuples(notes, st.booleans(), st.integers(0, 2)), min_size=1, max_size=15),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(sorted(ENCODE)),
)
def test_lines_are_exact_whatever_the_cells_hold(
    rows: list[tuple[str, bool, int]], end: str, encoding: str
) -> None:
    text, line, bad_lines, good = f"Date,Note,Close{end}", 2, [], []
    for i, (note, is_good, blanks) in enumerate(rows):
        text += end * blanks
        line += blanks
        if is_good:
            good.append(i + 1.0)
        else:
            bad_lines.append((line,))
        quoted = note.replace('"', '""')
        day = date(2017, 1, 1) + timedelta(days=i)
        row = f'{day},"{quoted}",{i + 1 if is_good else "bad"}{end}'
        text += row
        # A line ends at each of these three, and nowhere else.
        line += len(re.findall(r"\r\n|\r|\n", row))
    with folder_of({"A.csv": ENCODE[encoding](text)}) as folder:
        reading = read(folder, "A.csv")
    assert closes(reading) == good
    assert told(reading.findings, "line", kind="unreadable_row") == bad_lines


positive = st.floats(1e-300, 1e300)
amounts = st.one_of(st.none(), st.floats(0, 1e15))


def as_listing(rows: list[tuple[date, list[float], list[float | None]]]) -> str:
    """Write rows as a listing writes them: newest first, with separators, missing as a dash."""
    lines = []
    for when, prices, amounts in sorted(rows, reverse=True):
        cells = [f'"{MONTHS[when.month - 1]} {when.day:02d}, {when.year}"', *map(repr, prices)]
        cells += ["-" if a is None else f'"{a:,.3f}"' for a in amounts]
        lines.append(",".join(cells))
    return listing(*lines)


@few
@given(
    st.dictionaries(
        st.sampled_from(["Bitcoin", "Z cash", "é", "0x"]),
        st.lists(
            st.tuples(
                st.dates(date(1990, 1, 1), date(2025, 12, 31)),
                st.lists(positive, min_size=4, max_size=4),
                st.lists(amounts, min_size=2, max_size=2),
            ),
            unique_by=lambda row: row[0],
            min_size=1,
            max_size=12,
        ),
        min_size=1,
    )
)
def test_any_prices_written_as_a_listing_read_back_equal(coins) -> None:
    with folder_of({f"{coin}.csv": as_listing(rows) for coin, rows in coins.items()}) as folder:
        reading = read(folder, *[f"{coin}.csv" for coin in coins])
    expected = [
        (
            coin,
            pd.Timestamp(when),
            *prices,
            *(None if a is None else float(f"{a:.3f}") for a in two),
        )
        for coin, rows in sorted(coins.items())
        for when, prices, two in sorted(rows)
    ]
    got = reading.prices.astype(object).where(reading.prices.notna(), None)
    assert list(got.itertuples(index=False, name=None)) == expected
    assert lost(reading.findings).empty
    blank = sum(value is None for row in expected for value in row)
    assert len(told(reading.findings, kind="missing_value")) == blank


def test_what_the_generator_writes_reads_back_to_six_digits(tmp_path: Path) -> None:
    write_sample(tmp_path)
    table = synthetic_prices(short=(11, 34, 51), broken=("constant", "gap"))
    coins = [f"{coin}.csv" for coin in ("Kisevitoy", "Bavisotoy", "Korusatoy")]
    reading = read(tmp_path, *coins)
    expected = table[table["coin"].isin(set(reading.prices["coin"]))].reset_index(drop=True)
    pd.testing.assert_frame_equal(reading.prices, expected, rtol=1e-3)
    prices = list(NUMBER_COLUMNS[:4])
    np.testing.assert_allclose(reading.prices[prices], expected[prices], rtol=5.1e-6)
    assert lost(reading.findings).empty
    broken = read(tmp_path, "Nemeritoy.csv", "Sudonutoy.csv", "Bevanetoy.csv").findings
    assert told(lost(broken), "file", "line", "message") == [
        ("Bevanetoy.csv", 0, "has a header and no row; get the file again"),
        *[("Nemeritoy.csv", n, "date: no such day in the calendar") for n in (11, 21, 31)],
        *[("Sudonutoy.csv", n, "close: no number") for n in (11, 21, 31)],
    ]


cells = st.sampled_from(["1.5", "2", "-", "-1", "0", "x", ""])
dates = st.sampled_from(["2017-09-21", "2017-09-22", "Sep 23 2017", "42093", "Feb 30 2017", "-"])


@few
@given(st.lists(st.tuples(dates, st.lists(cells, min_size=0, max_size=7)), min_size=1, max_size=20))
def test_every_row_is_kept_or_has_one_finding_that_says_why_not(rows) -> None:
    lines = [",".join([when, *values]) for when, values in rows]
    with folder_of({"A.csv": listing(*lines)}) as folder:
        reading = read(folder, "A.csv")
    gone = told(lost(reading.findings), "line")
    gone += told(reading.findings, "line", kind="repeated_row")
    assert len(gone) == len(set(gone))
    assert len(reading.prices) + len(gone) == len(rows)
    assert (reading.prices["close"] > 0).all()
    assert {line for (line,) in gone} <= set(range(2, len(rows) + 2))


any_bytes = st.one_of(
    st.binary(max_size=200),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(str.encode),
    st.text('Date,Close\n\r"0123456789-', max_size=80).map(lambda t: f"Date,Close\n{t}".encode()),
)


@few
@given(any_bytes)
def test_no_bytes_whatever_are_fatal_to_another_coin(data: bytes) -> None:
    with folder_of({"A.csv": GOOD, "B.csv": data}) as folder:
        reading = read(folder, "B.csv", "A.csv")
    mine = reading.prices[reading.prices["coin"] == "A"]
    assert mine["close"].tolist() == [1.1, 1.5]
    assert np.isfinite(reading.prices["close"]).all()
    assert (reading.prices["coin"] == "B").any() or (reading.findings["coin"] == "B").any()
