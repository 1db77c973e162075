"""Regular files are read by Arrow and come to the cells that reading line by line comes to."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.cells import read_all_cells, read_cells
from cryptodask.prices.read.file_cells import Cells, RegularCells
from cryptodask.prices.read.numbers import parse_numbers
from cryptodask.prices.read.options import DEFAULT_OPTIONS
from cryptodask.prices.read.price_file import PriceFile, check_price_file
from cryptodask.prices.read.readers import read_price_files
from cryptodask.prices.read.regular import (
    as_grouped_numbers,
    as_numbers,
    find_body,
    parse_bodies,
)
from cryptodask.prices.read.texts import TEXT

HEADER = "Date,Close,Volume\n"

ROWS = [f'2024-01-{day:02d},{day}.5,"{day},000"' for day in range(1, 31)]


def cells_of(path: Path) -> Cells:
    """Return all cells of a file."""
    return read_cells(path, DEFAULT_OPTIONS)


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    """Write a file of prices with these rows under a header."""
    path.write_bytes((HEADER + end.join(lines)).encode())
    return path


CELL = st.text(alphabet='ab1 ,"\n\r;', max_size=5)


@settings(max_examples=300)
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    raw=st.booleans(),
)
def test_a_body_has_the_cells_that_pythons_reader_finds_or_is_not_regular(
    rows: list[list[str]], quoting: int, end: str, raw: bool
) -> None:
    rows = [[f"2024-01-0{i}", *row[1:]] for i, row in enumerate(rows)]
    sink = io.StringIO(newline="")
    if raw:  # quotes and line ends as they come, without any care for what they mean
        sink.write(end.join(",".join(row) for row in rows))
    else:
        csv.writer(sink, quoting=quoting, lineterminator=end).writerows(rows)
    text = sink.getvalue()
    body = find_body(text.encode(), 1, ",")
    if body is None:
        return
    [parsed] = parse_bodies([body], 3, [0, 1, 2], 0, ",")
    if parsed is None:
        return
    wanted = list(csv.reader(io.StringIO(text, newline="")))
    assert [list(row) for row in zip(*parsed.table.to_pydict().values(), strict=True)] == wanted
    assert parsed.stamps.to_list() == [row[0] for row in wanted]
    assert body.rows == len(wanted)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([*ROWS, "2024-02-01,1"], id="a row of another width"),
        pytest.param([*ROWS, ""], id="a blank line"),
        pytest.param([*ROWS, ",,"], id="a row without cells"),
        pytest.param([*ROWS, '2024-02-01,"1\n.5",3'], id="a line end inside of a cell"),
        pytest.param([*ROWS, '2024-02-01,1"5,3'], id="a quote inside of a cell"),
        pytest.param([*ROWS, '2024-02-01,"1""5",3'], id="a doubled quote"),
        pytest.param([*ROWS, "2024-02-01\r2024-02-02,1,3"], id="an old line end"),
    ],
)
def test_a_file_that_is_not_regular_is_read_line_by_line(tmp_path: Path, rows: list[str]) -> None:
    path = write(tmp_path / "A.csv", *rows, "2024-02-03,9,9", "")
    cells = cells_of(path)
    assert not isinstance(cells, RegularCells)
    text = path.read_bytes().decode()
    split = [r for r in csv.reader(io.StringIO(text, newline="")) if any(r)][1:]
    assert cells.rows == split
    before = text[: text.index("2024-02-03")]
    assert cells.full_lines()[-1] == len(before.splitlines()) + 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
def test_a_regular_file_has_its_cells_lines_and_rows(tmp_path: Path, end: str, last: str) -> None:
    rows = [*ROWS, ""] if last else ROWS
    path = write(tmp_path / "A.csv", *rows, end=end)
    cells = cells_of(path)
    assert isinstance(cells, RegularCells)
    assert cells.full_lines().tolist() == list(range(2, 32)) == cells.lines
    assert cells.first_row() == ["2024-01-01", "1.5", "1,000"]
    assert cells.full_rows() == cells.rows == list(csv.reader(ROWS))
    assert cells.ragged() == []
    assert cells.column(1).to_pylist() == [f"{day}.5" for day in range(1, 31)]
    assert set(cells.numeric.plain) == {1}
    assert set(cells.numeric.grouped) == {2}


def test_files_of_one_kind_are_read_together_and_one_that_is_odd_alone(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.csv", *ROWS, f"2024-02-01,{name}5,1") for name in "123"]
    odd = write(tmp_path / "odd.csv", *ROWS, "2024-02-01")
    other = tmp_path / "other.csv"
    other.write_text("Date;Close\n2024-01-01;1\n2024-01-02;2\n2024-01-03;3\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    cells = read_all_cells(dict.fromkeys([*paths, odd, empty, other]), DEFAULT_OPTIONS)
    for path in paths:
        mine = cells[path]
        assert isinstance(mine, RegularCells)
        assert mine.column(1).to_pylist()[-1] == f"{path.stem}5"
        assert len(mine.full_lines()) == 31
    assert not isinstance(cells[odd], RegularCells)
    assert isinstance(cells[other], RegularCells)
    assert isinstance(cells[empty], UnreadableFileError)


def test_a_file_that_changed_since_it_was_looked_at_is_looked_at_again(tmp_path: Path) -> None:
    path = write(tmp_path / "A.csv", *ROWS)
    known = check_price_file(path).known
    assert known is not None
    path.write_text(
        "Close,Day,Date\n" + "".join(f"{i}.25,x,2024-01-{i:02d}\n" for i in range(1, 9))
    )
    os.utime(path, ns=(0, known.changed + 1))
    prices = read_price_files([PriceFile("A", path, known=known)]).prices
    assert prices["close"].tolist() == [i + 0.25 for i in range(1, 9)]


def test_what_is_known_of_a_file_is_used_and_not_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "A.csv", *ROWS)
    known = check_price_file(path).known
    wanted = read_price_files([PriceFile("A", path)])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the layout was looked for")

    monkeypatch.setattr("cryptodask.prices.read.cells.find_layout", refuse)
    got = read_price_files([PriceFile("A", path, known=known)])
    assert got.prices.equals(wanted.prices)
    assert got.findings.equals(wanted.findings)


NUMBER = st.one_of(
    st.integers(-(10**12), 10**12).map("{:,}".format),
    st.floats(allow_nan=False, allow_infinity=False).map("{:,.3f}".format),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["", "-", "--", "1,23", "0,123", "1.234,5", "x", "1e999", "nan", "1,234,56"]),
)


@given(st.lists(NUMBER, min_size=1, max_size=8))
def test_numbers_that_arrow_reads_are_those_that_parsing_cell_by_cell_reads(
    cells: list[str],
) -> None:
    texts = pa.array(cells, type=TEXT)
    values, bad = parse_numbers(pd.Series(cells, dtype="str"))
    for read in (as_numbers, as_grouped_numbers):
        numbers = read(texts)
        if numbers is not None:
            assert not bad.any()
            np.testing.assert_array_equal(numbers, values.to_numpy())


@pytest.mark.parametrize("end", ["", "\n"], ids=["regular", "with a blank line"])
def test_times_by_12_hours_are_read_in_a_file_that_is_regular_but_for_them(
    tmp_path: Path, end: str
) -> None:
    stamps = [f"1/{day}/2024 12:00 AM" for day in range(2, 31)]
    path = tmp_path / "A.csv"
    path.write_text("Date,Open,Close\n" + "".join(f"{s},1.5,2.5\n" for s in stamps) + end)
    known = check_price_file(path).known
    prices = read_price_files([PriceFile("A", path, known=known)]).prices
    assert prices["date"].dt.day.tolist() == list(range(2, 31))


@pytest.mark.parametrize("end", ["", "\n"], ids=["regular", "with a blank line"])
def test_numbers_that_contradict_are_the_first_ones_of_the_file(tmp_path: Path, end: str) -> None:
    path = tmp_path / "A.csv"
    path.write_text("Date;Open;Close\n2024-01-01;0.25;0,5\n2024-01-02;0.75;1.25\n" + end)
    [message] = read_price_files([PriceFile("A", path)]).findings["message"]
    assert "'0,5' has a decimal comma and '0.25' a decimal point" in message


@pytest.mark.parametrize("blank", ["", "\n"])
def test_another_header_in_a_file_is_refused_and_the_same_one_is_a_row(
    tmp_path: Path, blank: str
) -> None:
    first = [f"2024-01-{day:02d},{day},{day}.5" for day in range(1, 21)]
    second = [f"2024-02-{day:02d},{day}.5,{day}" for day in range(1, 21)]
    path = tmp_path / "A.csv"
    lines = ["Date,Open,Close", *first, "Date,Close,Open", *second]
    path.write_text("\n".join(lines) + "\n" + blank)
    findings = read_price_files([PriceFile("A", path)]).findings
    [refused] = findings[findings["kind"] == "unreadable_file"]["message"]
    assert refused.startswith("line 22: another header (Date, Close, Open) than that of the file")
    lines[21] = lines[0]
    path.write_text("\n".join(lines) + "\n" + blank)
    reading = read_price_files([PriceFile("A", path)])
    assert len(reading.prices) == 40
    [row] = reading.findings[reading.findings["kind"] == "unreadable_row"].itertuples()
    assert (row.line, row.value) == (22, "Date")
