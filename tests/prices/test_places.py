"""A file, a pattern and a URL are sources, as a folder is."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import fsspec
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cryptodask import CryptoLoader, import_prices
from cryptodask.errors import SourceError
from cryptodask.prices import read_files
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.folder_source import FolderSource
from cryptodask.runs.fingerprints import prices_fingerprint
from tests.prices.conftest import GOOD, write_files

LONG = "coin,date,close\nA,2024-01-01,1\nA,2024-01-02,2\nB,2024-01-01,3\nB,2024-01-02,4\n"
ROWS = [{"coin": "A", "date": "2024-01-01", "close": 0.1}, {"coin": "A", "date": "2024-01-02",
        "close": 1e-300}]  # fmt: skip


def closes(source: object) -> list[float]:
    frame = CryptoLoader(source).get_df()  # type: ignore[arg-type]
    return frame["close"].tolist()


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def test_one_file_is_a_source(tmp_path: Path) -> None:
    write_files(tmp_path, {"all.csv": LONG, "Acoin.csv": GOOD, "other.csv": "x"})
    assert closes(tmp_path / "all.csv") == [1.0, 2.0, 3.0, 4.0]
    assert CryptoLoader(str(tmp_path / "Acoin.csv")).get_crypto_names() == ["Acoin"]
    pd.read_csv(io.StringIO(LONG)).to_parquet(tmp_path / "all.parquet")
    assert closes(tmp_path / "all.parquet") == [1.0, 2.0, 3.0, 4.0]
    table = import_prices(tmp_path / "all.csv", tmp_path / "table")
    assert table.coins == ["A", "B"]


def test_a_pattern_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"Acoin.csv": GOOD, "Bcoin.csv": GOOD, "list.txt": "x"})
    write_files(tmp_path / "deep" / "er", {"Ccoin.csv": GOOD})
    monkeypatch.chdir(tmp_path)
    loader = CryptoLoader("*.csv")
    assert list(loader) == ["Acoin", "Bcoin"]
    assert loader.location == str(tmp_path / "*.csv")
    assert list(CryptoLoader("**/*.csv")) == ["Acoin", "Bcoin", "Ccoin"]
    assert list(CryptoLoader(f"{tmp_path}/[AB]coin.csv")) == ["Acoin", "Bcoin"]
    with pytest.raises(SourceError, match=r"\*\.xyz: no file matches"):
        CryptoLoader("*.xyz")
    assert set(read_files(["*.csv"]).prices["coin"]) == {"Acoin", "Bcoin"}


def test_a_url_is_a_source(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    for name in ("p/Acoin.csv", "p/Bcoin.csv", "q.csv"):
        files.pipe(f"/places/{name}", (LONG if name == "q.csv" else GOOD).encode())
    assert closes("memory://places/q.csv") == [1.0, 2.0, 3.0, 4.0]
    assert list(CryptoLoader("memory://places/p")) == ["Acoin", "Bcoin"]
    loader = CryptoLoader("memory://places/p/A*.csv")
    assert list(loader) == ["Acoin"]
    assert loader.location == "memory://places/p/A*.csv"
    before = prices_fingerprint(loader)
    assert prices_fingerprint(CryptoLoader("memory://places/p/A*.csv")) == before
    files.pipe("/places/p/Acoin.csv", GOOD.replace("1.5", "1.6").encode())
    assert prices_fingerprint(CryptoLoader("memory://places/p/A*.csv")) != before
    with pytest.raises(SourceError, match="memory://places/none: no file there"):
        CryptoLoader("memory://places/none")
    write_files(tmp_path, {"all.csv": LONG})
    assert closes(f"file://{tmp_path}/all.csv") == [1.0, 2.0, 3.0, 4.0]


def test_archives_are_read_alone_and_in_folders(tmp_path: Path) -> None:
    content = zipped({"x/Acoin.csv": GOOD, "__MACOSX/._Acoin.csv": "junk", "all.csv": LONG})
    write_files(tmp_path, {"some.zip": content, "Dcoin.csv": GOOD})
    assert list(CryptoLoader(tmp_path / "some.zip")) == ["A", "Acoin", "B"]
    loader = CryptoLoader(tmp_path)
    assert list(loader) == ["A", "Acoin", "B", "Dcoin"]
    assert lost(loader.findings()).empty


def parquet_of(*names: str, cell: str = "1", rows: int = 9) -> bytes:
    """Return columns that have the same text in each row."""
    content = io.BytesIO()
    table = pa.table([pa.array([cell] * rows)] * len(names), names=names)
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.zip", b"PK\3\4rubbish", "damaged zip"),
        ("a.zip", zipped({}), "zip without files"),
        ("a.zip", zipped({"b.zip": "x"}), "zip inside a zip"),
        ("a.zip", zipped({"b.csv": "1" * (1 << 25)}), "over 200 times its size"),
        ("a.jsonl", b'{"date": 1\n', "line 1: is not JSON"),
        ("a.jsonl", b"[" * 100_000, "is not JSON"),
        ("a.json", b'{"prices": [[1, 2]]}', "has no date"),
        ("a.json", b'{"prices":\n [[1, 2]]}', "JSON of another form"),
        ("a.json", b"[1, 2]", "JSON of another form"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * (1 << 22)), "over 200 times its size"),
        ("a.jsonl.gz", gzip.compress(bytes(range(256)) * 99)[:10] + b"\xff" * 99, "read as JSON"),
        # Far from valid from its first line on, so that it must be measured before it is parsed.
        ("a.jsonl.gz", gzip.compress(b"x\n" * (1 << 24)), "over 200 times its size"),
        (
            "a.jsonl",
            b'{"date": 1, "close": 2}\n{"date": 1, "close": 2, "close": 3}',
            "line 2: has the key 'close' twice",
        ),
        ("a.json", b'[{"date": 1, "x\\u001b": {"close": 2, "close": 3}}]', "'close' twice"),
        ("a.jsonl", "".join(f'{{"k{i}": 1}}\n' for i in range(9000)).encode(), "each has few"),
        ("a.xlsx", b"rubbish", "can't be read as Excel"),
        ("a.parquet", parquet_of(*"abcdefgh", rows=1 << 22), "of 4,194,304 rows in"),
        ("a.parquet", parquet_of("date", cell="1" * (1 << 27), rows=1), "of 1 rows in"),
        ("a.parquet", parquet_of("date", "close")[:-9], "as Parquet"),
        ("a.xls", b"\xd0\xcf\x11\xe0\0\0", "binary"),
    ],
)
def test_what_can_not_be_unpacked_is_named_and_the_rest_is_read(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    write_files(tmp_path, {"Good.csv": GOOD, name: content})
    source = FolderSource(tmp_path)
    assert source.coins == ["Good"]
    [row] = source.findings().query("file == @name").to_dict("records")
    assert message in row["message"]
    with pytest.raises(SourceError, match=message):
        CryptoLoader(tmp_path / name)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson", "rows.json", "rows.jsonl.gz"])
def test_json_lines_are_read_with_their_digits(tmp_path: Path, name: str) -> None:
    text = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    write_files(tmp_path, {name: gzip.compress(text) if name.endswith("gz") else text})
    assert closes(tmp_path / name) == [0.1, 1e-300]
    bad = text + b'{"coin": "A", "date": "soon", "close": null}\n'
    write_files(tmp_path, {"bad.jsonl": bad})
    [row] = lost(CryptoLoader(tmp_path / "bad.jsonl").findings()).to_dict("records")
    assert (row["file"], row["line"], row["value"]) == ("bad.jsonl", 3, "soon")


def test_an_array_of_objects_is_read(tmp_path: Path) -> None:
    write_files(tmp_path, {"rows.json": json.dumps(ROWS, indent=1)})
    assert closes(tmp_path / "rows.json") == [0.1, 1e-300]


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_of_one_sheet_is_read(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=2)
    rows: list[list[object]] = [["Bitcoin prices"], ["Date", "Close"]]
    rows += [[day.to_pydatetime(), close] for day, close in zip(days, (0.1, 2), strict=True)]
    path = workbook(tmp_path / "Bitcoin.xlsx", {"prices": rows, "notes": []})
    frame = CryptoLoader(path).get_df()
    assert frame[["coin", "close"]].to_numpy().tolist() == [["Bitcoin", 0.1], ["Bitcoin", 2.0]]
    assert frame["date"].tolist() == list(days)
    rows.append(["soon", 3])
    workbook(path, {"prices": rows})
    [row] = lost(CryptoLoader(path).findings()).to_dict("records")
    assert (row["file"], row["line"]) == ("Bitcoin.xlsx", 5)
    workbook(path, {"one": rows, "two": rows})
    with pytest.raises(SourceError, match=r"has 2 sheets with rows \(one, two\); save the one"):
        CryptoLoader(path)


def test_a_workbook_with_a_cell_far_away_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "Bitcoin.xlsx", {"far": [["Date", "Close"]]})
    book = openpyxl.load_workbook(path)
    book["far"]["XFD1048576"] = 1
    book.save(path)
    with pytest.raises(SourceError, match="sheet far reaches over 67,108,864 cells"):
        CryptoLoader(path)


def test_two_columns_of_one_name_in_parquet_are_one_if_they_are_equal(tmp_path: Path) -> None:
    days = pa.array([f"2024-01-{day}" for day in range(10, 30)])
    one, two = (pa.array([float(i + more) for i in range(20)]) for more in (1, 2))
    for name, columns in {"Same": (one, one), "Other": (one, two)}.items():
        table = pa.table([days, *columns, two, one], names=["date", "close", "close", "x", "x"])
        pq.write_table(table, tmp_path / f"{name}.parquet")
    source = FolderSource(tmp_path)
    assert source.coins == ["Same"]
    why = "has 2 columns close (close, close); keep one of them, or rename the others"
    assert source.empty == {"Other": f"Other.parquet: {why}"}


def test_hours_of_a_workbook_have_their_midnights(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=30, freq="h")
    rows: list[list[object]] = [["Date", "Open", "Close"]]
    rows += [[hour.to_pydatetime(), 1, 1 + i] for i, hour in enumerate(hours)]
    loader = CryptoLoader(workbook(tmp_path / "Bitcoin.xlsx", {"prices": rows}))
    assert loader.freq == "1h"
    assert loader.get_df()["date"].tolist() == list(hours)
