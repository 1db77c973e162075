"""What is fuzzed: files of prices in every format, and what the package itself writes and reads."""

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cryptodask import CryptoLoader, import_prices
from cryptodask.errors import CryptoDaskError
from cryptodask.prices.synthetic import synthetic_prices
from tests.fuzz.mutate import mutated
from tests.runs.commands import KINDS, inside

GOOD = "Goodcoin"


class FuzzError(AssertionError):
    """A promise that was not kept."""


@dataclass(frozen=True)
class Target:
    """Something that is read.

    Attributes
    ----------
    name : str
    play : callable
        Damages it in a folder that is empty, by a random number generator, and reads it; raises
        where a promise is not kept, and returns whether it was read.
    """

    name: str
    play: Callable[[Path, np.random.Generator], bool]


def price_files() -> dict[str, bytes]:
    """Return the bytes of files of prices, one of each format, by their names."""
    prices = synthetic_prices(2, 40, seed=11)
    first = prices[prices["coin"] == prices["coin"].iloc[0]].drop(columns="coin")
    text = first.to_csv(index=False)
    wide = prices.pivot(index="date", columns="coin", values="close")
    grouped = first[["date", "close", "volume"]].map(
        lambda v: f"{v:,.2f}" if isinstance(v, float) else str(v)
    )
    stamped = first.assign(date=first["date"].astype("int64") * 1000)
    records = first.assign(date=first["date"].astype(str)).to_dict("records")
    return {
        "Plain.csv": text.encode(),
        "Grouped.csv": grouped.to_csv(index=False).encode(),
        "Semicolon.csv": first.to_csv(index=False, sep=";", decimal=",").encode(),
        "Long.csv": prices.to_csv(index=False).encode(),
        "Wide.csv": wide.reset_index().to_csv(index=False).encode(),
        "Klines.csv": stamped.to_csv(index=False, header=False).encode(),
        "Sixteen.csv": text.encode("utf-16"),
        "Zipped.csv.gz": gzip.compress(text.encode(), mtime=0),
        "Records.json": json.dumps(records).encode(),
        "Lines.jsonl": "\n".join(map(json.dumps, records)).encode(),
        "Listing.json": json.dumps({"prices": [[1704067200000 + 86400000 * i, 1.5 + i]
                                               for i in range(40)]}).encode(),
    }  # fmt: skip


def binary_files(place: Path) -> dict[str, bytes]:
    """Return the bytes of formats that only files can be written in."""
    prices = synthetic_prices(1, 40, seed=12).drop(columns="coin")
    prices.to_parquet(place / "Columns.parquet", index=False)
    prices.assign(date=prices["date"].astype(str)).to_excel(place / "Sheet.xlsx", index=False)
    with zipfile.ZipFile(place / "Archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Inner.csv", prices.to_csv(index=False))
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


def check_harmless(text: str) -> None:
    """Refuse a text that would write to a terminal."""
    odd = sorted({c for c in text if not c.isprintable() and c not in "\n\t"})
    if odd:
        raise FuzzError(f"control characters {odd} in {text!r}")


def reader(name: str, content: bytes) -> Target:
    """Return a target: a damaged file of prices beside a good one."""
    good = synthetic_prices(1, 40, seed=13).drop(columns="coin")

    def play(place: Path, random: np.random.Generator) -> bool:
        folder = place / "prices"
        folder.mkdir()
        good.to_csv(folder / f"{GOOD}.csv", index=False)
        (folder / name).write_bytes(mutated(content, random))
        try:
            table = import_prices(folder, place / "table")
            loader = CryptoLoader(place / "table")
            rows, findings = loader.get_df(), table.findings()
        except CryptoDaskError as error:
            # Bars of more lengths than one are an error of the whole folder.
            check_harmless(str(error))
            if (place / "table").exists():
                raise FuzzError(f"an error, and a table all the same: {error}") from error
            return False
        for column in ("coin", "file", "message"):
            check_harmless("\n".join(findings[column].astype(str)))
        check_harmless("\n".join(rows["coin"].unique()))
        mine = rows[rows["coin"] == GOOD].drop(columns="coin").reset_index(drop=True)
        if mine["close"].tolist() != good["close"].tolist():
            raise FuzzError(f"rows of {GOOD} changed by a file beside it")
        if not np.isfinite(rows["close"]).all() or (rows["close"] <= 0).any():
            raise FuzzError("a close that is no price")
        if findings.empty and name.partition(".")[0] not in set(rows["coin"]) | {GOOD}:
            known = {"Long", "Wide", "Archive"}  # which name coins themselves
            if name.partition(".")[0] not in known:
                raise FuzzError(f"{name} was left out without a word")
        return True

    return Target(f"read {name}", play)


def written(name: str, original: Path, read: Callable[[Path], pd.DataFrame]) -> Target:
    """Return a target: a folder that the package wrote, one file of which is damaged.

    It is refused, or what is read is what was written, bit by bit.
    """
    expected = read(original)
    files = sorted(p.relative_to(original) for p in original.rglob("*") if p.is_file())

    def play(place: Path, random: np.random.Generator) -> bool:
        folder = place / "copy"
        shutil.copytree(original, folder)
        path = folder / files[int(random.integers(0, len(files)))]
        path.write_bytes(mutated(path.read_bytes(), random))
        try:
            found = read(folder)
        except CryptoDaskError as error:
            check_harmless(str(error))
            return False
        try:
            pd.testing.assert_frame_equal(found, expected, check_exact=True)
        except AssertionError as error:
            raise FuzzError(f"{path.name}: other rows without a word: {error}") from error
        return True

    return Target(f"read back {name}", play)


def _table_rows(folder: Path) -> pd.DataFrame:
    return CryptoLoader(folder).get_df()


def _table_findings(folder: Path) -> pd.DataFrame:
    return CryptoLoader(folder).findings()


def targets(place: Path) -> Iterator[Target]:
    """Yield all targets.

    Parameters
    ----------
    place : Path
        An empty folder for what the package writes.
    """
    (place / "binary").mkdir()
    for name, content in (price_files() | binary_files(place / "binary")).items():
        yield reader(name, content)
    import_prices(_source(place / "source"), place / "table")
    yield written("a table", place / "table", _table_rows)
    yield written("findings", place / "table", _table_findings)
    for kind in KINDS:
        out = place / kind.name
        ended = inside(*kind.words, place / "table", "--out", out, "--workers", 1)
        if ended.code:
            raise FuzzError(ended.said)
        yield written(f"a {kind.name}", out, kind.open)


def _source(folder: Path) -> Path:
    """Write files of six coins, with a row that can't be read."""
    folder.mkdir()
    for coin, rows in synthetic_prices(6, 120, seed=14).groupby("coin"):
        rows.drop(columns="coin").to_csv(folder / f"{coin}.csv", index=False)
    with (folder / f"{coin}.csv").open("a") as file:
        file.write("2024-02-30,x\n")
    return folder
