"""Folders of files as people have them, and findings as plain tuples."""

import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.prices.clean.cleaning import clean_reading
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.clean.policies import Policies, check_policies
from cryptodask.prices.freq import DAILY
from cryptodask.prices.schema import NUMBER_COLUMNS, PRICE_COLUMNS

HEADER = "Date,Open,High,Low,Close,Volume,Market Cap"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def listing(*rows: str, header: str = HEADER) -> str:
    """Text of a file: a header and these lines."""
    return "\n".join([header, *rows, ""])


GOOD = listing(
    '"Sep 22, 2017",1.1,2.2,0.5,1.5,"1,000","2,000,000"',
    '"Sep 21, 2017",1,2,0.5,1.1,900,-',
)
"""Two days of closes 1.5 and 1.1, newest first."""


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by name, texts as UTF-8 with their line ends as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def as_parquet(text: str) -> bytes:
    """The same cells, as text, as a Parquet file."""
    return pd.read_csv(io.StringIO(text), dtype=str).to_parquet(index=False)


@contextmanager
def folder_of(files: Mapping[str, str | bytes]) -> Iterator[Path]:
    """A folder of these files for one example of a property test."""
    with tempfile.TemporaryDirectory() as folder:
        yield write_files(Path(folder), files)


def told(findings: pd.DataFrame, *columns: str, kind: str | None = None) -> list[tuple[Any, ...]]:
    """Findings, of one kind or all, as tuples of some columns (by default kind, file, line)."""
    some = findings if kind is None else findings[findings["kind"] == kind]
    return list(some[list(columns or ("kind", "file", "line"))].itertuples(index=False, name=None))


def the_finding(findings: pd.DataFrame, kind: str) -> Any:
    """The one finding of this kind; anything but one is a failure."""
    some = findings[findings["kind"] == kind]
    assert len(some) == 1, findings.to_string()
    return next(some.itertuples())


Row = tuple[str, str, int, int, float]


def rows(*cells: Row, **columns: object) -> pd.DataFrame:
    """Rows of coin, file, line, day of January 2017 and close; a day has one price, amounts 1."""
    frame = pd.DataFrame(cells, columns=["coin", "file", "line", "day", "close"])
    days = frame.pop("day").to_numpy(dtype=np.int64) - 1
    frame["date"] = (np.datetime64("2017-01-01") + days).astype("datetime64[s]")
    for name in NUMBER_COLUMNS:
        if name != "close":
            frame[name] = frame["close"] if name in PRICE_COLUMNS else 1.0
    types = {"coin": "str", "file": "str", "line": "int64", "close": "float64"}
    return frame.astype(types).assign(**columns)


def kept(frame: pd.DataFrame) -> list[tuple[str, str, int, float]]:
    return list(frame[["coin", "file", "line", "close"]].itertuples(index=False, name=None))


def clean_frame(
    frame: pd.DataFrame, policies: Policies, freq: str = DAILY, now: date | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the clean rows of a frame, in its columns, and what was found."""
    reading = clean_reading(frame, empty_findings(), check_policies(policies), freq, now)
    assert reading.origin is not None
    prices = reading.prices.join(reading.origin.astype({"file": "str"}))
    return prices[list(frame.columns)], reading.findings
