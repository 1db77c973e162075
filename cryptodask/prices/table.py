"""The price table on disk: Parquet parts of whole coins, an index of coins, and the findings.

::

    TABLE/manifest.json            names the files below; replacing it is what publishes a table
    TABLE/part-TOKEN-00000.parquet rows of some coins, by coin and date
    TABLE/index-TOKEN.parquet      coin, rows, first, last, part, reason (why a coin has no row)
    TABLE/findings-TOKEN.parquet   what was found in the files that the rows came from

Files are never changed once written. A new version writes files under a new token and then puts
its manifest in place of the old one in a single step, so that a reader sees the old table or the
new one.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask.errors import SourceError, TableError
from cryptodask.prices.findings import join_findings, lost
from cryptodask.prices.readers import Reading
from cryptodask.prices.schema import DATE_DTYPE
from cryptodask.prices.sources import TablePartition, pack

MANIFEST = "manifest.json"
FORMAT, VERSION = "cryptodask price table", 1

_OWN = re.compile(r"(part|index|findings)-[0-9a-f]+(-[0-9]+)?\.parquet")
_INDEX = ("coin", "rows", "first", "last", "part", "reason")
_AGAIN = "import again, with --overwrite"


class PriceTable:
    """A table that was imported; a `Source` of prices.

    Parameters
    ----------
    path : path
        Folder of the table.

    Attributes
    ----------
    coins : list of str
        Coins with at least one row, in order.
    empty : dict of str to str
        Coins that had a file and no row, and why.
    index : DataFrame
        ``coin, rows, first, last, part``, one row a coin.

    Raises
    ------
    SourceError
        There is no table at that path.
    TableError
        The table is damaged or of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        self.manifest = _read_manifest(self.path)
        index = self._load("index")
        _check_index(index, len(self.manifest["parts"]), self.path / self.manifest["index"])
        has_rows = index["rows"] > 0
        self.index = index[has_rows].drop(columns="reason").reset_index(drop=True)
        self.coins: list[str] = self.index["coin"].tolist()
        without = index[~has_rows]
        self.empty: dict[str, str] = dict(zip(without["coin"], without["reason"], strict=True))
        self._place = {coin: i for i, coin in enumerate(self.coins)}

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.index["rows"].sum())

    def __repr__(self) -> str:
        return f"PriceTable({str(self.path)!r}): {len(self.coins)} coins, {len(self):,} rows"

    def partitions(self, coins: Sequence[str], n: int | None = None) -> list[TablePartition]:
        """Pack these coins, in order, into partitions; see `Source`.

        By default a partition is a part of the table; ``n`` packs the coins anew.
        """
        picked = self.index.iloc[[self._place[coin] for coin in coins]]
        part = picked["part"].to_numpy()
        if n is None:
            starts = [i for i in range(len(part)) if i == 0 or part[i] != part[i - 1]]
            runs = list(zip(starts, [*starts[1:], len(part)], strict=True))
        else:
            runs = pack(picked["rows"], n)
        return [
            TablePartition(
                coins=tuple(coins[a:b]),
                paths=tuple(
                    str(self.path / self.manifest["parts"][i]) for i in sorted(set(part[a:b]))
                ),
                rows=int(picked["rows"].iloc[a:b].sum()),
            )
            for a, b in runs
        ]

    def findings(self) -> pd.DataFrame:
        """Return what was found in the files that the table was made from."""
        return self._load("findings").astype({"date": DATE_DTYPE})

    def _load(self, what: str) -> pd.DataFrame:
        name = self.manifest[what]
        try:
            return pd.read_parquet(self.path / name)
        except (OSError, ValueError) as error:
            raise TableError(f"{self.path / name}: can't be read: {error}; {_AGAIN}") from error


def write_table(
    path: str | Path, readings: Iterable[Reading], *, empty: dict[str, str], notes: pd.DataFrame
) -> PriceTable:
    """Write a table, or a new version of one that is there.

    Parameters
    ----------
    path : path
        Folder of the table; made where it is missing.
    readings : iterable of Reading
        One a part, in the order of coins; each is written before the next is asked for.
    empty : dict of str to str
        Coins that have no row, and why.
    notes : DataFrame
        Findings about whole files, beside those of the readings.

    Raises
    ------
    SourceError
        The readings have no row.
    TableError
        There is a manifest of something else at that path.
    """
    folder = Path(path)
    before = _files_there(folder)
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    try:
        manifest = _write_files(folder, token, readings, empty, notes)
        # The manifest goes last, in one step: whatever stops us before leaves the old table.
        draft = folder / f"manifest-{token}.json"
        draft.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    except BaseException:
        for file in folder.glob(f"*-{token}*"):
            file.unlink(missing_ok=True)
        raise
    draft.replace(folder / MANIFEST)
    for name in before:
        (folder / name).unlink(missing_ok=True)
    return PriceTable(folder)


def _write_files(
    folder: Path,
    token: str,
    readings: Iterable[Reading],
    empty: dict[str, str],
    notes: pd.DataFrame,
) -> dict[str, Any]:
    """Write all files of a table but its manifest, which is returned; see `write_table`."""
    parts: list[str] = []
    index: list[pd.DataFrame] = []
    found: list[pd.DataFrame] = [notes]
    for reading in readings:
        found.append(reading.findings)
        if len(reading.prices):
            index.append(_index_of(reading.prices, len(parts)))
            parts.append(f"part-{token}-{len(parts):05d}.parquet")
            reading.prices.to_parquet(folder / parts[-1], index=False)
    told = join_findings(found)
    if not parts:
        lines = [f"{f.file}, line {f.line}: {f.message}" for f in lost(told)[:3].itertuples()]
        raise SourceError(f"{folder}: not written, for no row was read: {'; '.join(lines)}")
    without = pd.DataFrame(
        {"coin": list(empty), "rows": 0, "part": -1, "reason": list(empty.values())}
    )
    whole = pd.concat([*index, without], ignore_index=True).sort_values("coin", ignore_index=True)
    whole.to_parquet(folder / f"index-{token}.parquet", index=False)
    told.to_parquet(folder / f"findings-{token}.parquet", index=False)
    return {
        "format": FORMAT,
        "version": VERSION,
        "freq": "1d",
        "quote": "USD",
        "parts": parts,
        "index": f"index-{token}.parquet",
        "findings": f"findings-{token}.parquet",
    }


def is_table(path: Path) -> bool:
    """Tell whether there is a table at a path."""
    return (path / MANIFEST).is_file()


def _index_of(prices: pd.DataFrame, part: int) -> pd.DataFrame:
    """Return the rows of the index for the coins of one part."""
    dates = prices.groupby("coin", sort=False)["date"]
    index = pd.DataFrame({"rows": dates.size(), "first": dates.first(), "last": dates.last()})
    return index.reset_index().assign(part=part, reason="")


def _files_there(folder: Path) -> list[str]:
    """Return the names of the files of the table that is there, whole or damaged."""
    if not is_table(folder):
        return []
    try:
        return _names(_read_manifest(folder))
    except TableError:
        own = sorted(path.name for path in folder.iterdir() if _OWN.fullmatch(path.name))
        if not own:  # then this is the manifest of something else, which is not ours to replace
            raise
        return own


def _check_index(index: pd.DataFrame, parts: int, path: Path) -> None:
    """Refuse an index that is none of a table of so many parts, or would break its divisions."""
    good = set(_INDEX) <= set(index.columns) and all(
        pd.api.types.is_integer_dtype(index[name]) for name in ("rows", "part")
    )
    if good:
        full = index[index["rows"] > 0]
        good = bool(
            len(full) > 0
            and full["part"].between(0, parts - 1).all()
            and full["part"].is_monotonic_increasing
            and full["coin"].is_monotonic_increasing
            and full["coin"].is_unique
        )
    if not good:
        raise TableError(f"{path}: is no index of the table's {parts} parts; {_AGAIN}")


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(
            f"{folder}: no price table (it has no {MANIFEST}); make one with "
            "`cryptodask prices import FOLDER --out TABLE`"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(f"{path}: can't be read: {error}; {_AGAIN}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise TableError(
            f"{path}: is no manifest of a price table; import to another folder, or move this file "
            "out of a folder of price files"
        )
    if manifest.get("version") != VERSION:
        raise TableError(
            f"{path}: is of version {manifest.get('version')}, this CryptoDask reads version "
            f"{VERSION}; {_AGAIN}, or install the CryptoDask that wrote it"
        )
    if not isinstance(manifest.get("parts"), list):
        raise TableError(f"{path}: names no parts; {_AGAIN}")
    # Names come from a file that anyone may have written: none may lead out of the folder.
    for name in _names(manifest):
        if not isinstance(name, str) or not _OWN.fullmatch(name):
            raise TableError(
                f"{path}: names {name!r}, which is no file of a table; do not use this table "
                f"unless you know why, and {_AGAIN}"
            )
    return manifest


def _names(manifest: dict[str, Any]) -> list[Any]:
    return [*manifest["parts"], manifest.get("index"), manifest.get("findings")]
