"""The manifest of a price table: which files are the table, and what they hold.

Anyone may have written the file, so each of its fields is checked before it is used.
"""

import json
import re
import reprlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from cryptodask.errors import OptionError, SourceError, TableError
from cryptodask.io.looking import looking
from cryptodask.io.sealed import CHECKSUM, unseal
from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.policies import check_policies
from cryptodask.prices.freq import DAILY, FREQS
from cryptodask.prices.own import check_own

TABLE_MANIFEST = "manifest.json"
"""Name of the file."""

TABLE_FORMAT, TABLE_VERSION = "cryptodask price table", 3
"""What a manifest says that it is one of, and the version that is written."""

_UNSEALED = (1, 2)  # versions whose manifests carry no checksum of themselves

AGAIN = "import again, with --overwrite"
"""What to do about a table that is damaged."""

QUOTE = "USD"
"""The currency of every table's prices."""

_TOKEN = r"[0-9a-f]{8}"
_FILE_NAMES = {
    "part": re.compile(rf"part-{_TOKEN}-[0-9]{{5,}}\.parquet"),
    "delta": re.compile(rf"delta-{_TOKEN}-[0-9]{{5,}}\.parquet"),
    "index": re.compile(rf"index-{_TOKEN}\.parquet"),
    "findings": re.compile(rf"findings-{_TOKEN}\.parquet"),
    "raw": re.compile(rf"raw-{_TOKEN}\.parquet"),
    "own": re.compile(rf"own-{_TOKEN}\.parquet"),
}
_DELTA_FILES = {"rows": "delta", "findings": "findings", "raw": "raw", "own": "own"}
_DELTA_FIELDS = ("first", "last", *_DELTA_FILES)

_SHORT = reprlib.Repr()  # a value may be long, or nested deeper than Python can write it
_SHORT.maxstring = _SHORT.maxother = 120

_UNDECLARED: dict[str, Any] = {"splits": [], "renames": [], "own": None}
_OWN_FIELDS = ("file", "columns", "facts")

Manifest = dict[str, Any]


def is_table(path: Path) -> bool:
    """Return whether there is a table at a path.

    Parameters
    ----------
    path : Path
        Of a folder.

    Raises
    ------
    SourceError
        This process may not look into the folder, or its disk fails.
    """
    with looking(path):
        return (path / TABLE_MANIFEST).is_file()


def is_table_file(name: str) -> bool:
    """Return whether files of a table may have that name; the manifest has another.

    Parameters
    ----------
    name : str
    """
    return any(pattern.fullmatch(name) for pattern in _FILE_NAMES.values())


def read_table_manifest(folder: Path) -> Manifest:
    """Return the manifest of a table, with every field checked.

    Parameters
    ----------
    folder : Path
        Of the table.

    Returns
    -------
    dict
        ``format, version, quote, generation, freq, policies, parts, deltas, index, findings, raw,
        splits, renames, own``.

    Raises
    ------
    SourceError
        The folder has no table.
    TableError
        The manifest is damaged, of another version, has a field that no table has, or was changed
        since it was written.
    """
    path = folder / TABLE_MANIFEST
    manifest = _load(path)
    if not isinstance(manifest, dict) or manifest.get("format") != TABLE_FORMAT:
        raise TableError(
            f"{path}: format: is not a manifest of a price table; import to another folder, or "
            "move this file out of a folder of price files"
        )
    as_read = dict(manifest)
    version = _version_of(manifest, path)
    # Tables that are older than these fields.
    defaults: Manifest = {"quote": QUOTE, "freq": DAILY, "policies": {}, "raw": None, **_UNDECLARED}
    if version == 1:  # as tables were before they could grow
        manifest |= {"generation": 1, "deltas": []}
    if version not in _UNSEALED:
        manifest.pop(CHECKSUM, None)
    manifest = defaults | manifest | {"version": TABLE_VERSION}
    unknown = sorted(set(manifest) - {"format", "version", *_RULES})
    if unknown:
        raise TableError(
            f"{path}: {_SHORT.repr(unknown[0])}: no field of version {version}; {AGAIN}"
        )
    for field, broken_rule in _RULES.items():
        if reason := broken_rule(manifest.get(field)):
            raise TableError(f"{path}: {field}: {reason}; {AGAIN}")
    # Last, as the rules say more about a field that no table has.
    if version not in _UNSEALED and (damage := unseal(as_read)):
        raise TableError(f"{path}: {damage}; {AGAIN}")
    manifest["policies"] = check_policies(cast("Mapping[str, str]", manifest["policies"]))
    return manifest


def _version_of(manifest: Mapping[str, Any], path: Path) -> int:
    """Return the version of a manifest, if it is one that can be read."""
    version = manifest.get("version")
    # True and 1.0 are equal to 1 in Python, and no version.
    if type(version) is int and version in (*_UNSEALED, TABLE_VERSION):
        return version
    raise TableError(
        f"{path}: is of version {_SHORT.repr(version).strip(chr(39))}, this CryptoDask reads "
        f"version {TABLE_VERSION}; {AGAIN}, or install the CryptoDask that wrote it"
    )


def files_of(manifest: Manifest) -> list[str]:
    """Return the names of all files of a table but its manifest.

    Parameters
    ----------
    manifest : dict
        As of `read_table_manifest`.
    """
    of_deltas = [delta.get(kind) for delta in manifest["deltas"] for kind in _DELTA_FILES]
    names = [
        *manifest["parts"],
        manifest["index"],
        manifest["findings"],
        manifest.get("raw"),
        (manifest.get("own") or {}).get("file"),
        *of_deltas,
    ]
    return [name for name in names if name is not None]


def _load(path: Path) -> object:
    """Return what JSON says at a path."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(
            f"{path.parent}: no price table (it has no {path.name}); make one with "
            "`cryptodask prices import FILES --out TABLE`"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose fields are each there once."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {_SHORT.repr(repeated)} is there twice")
    return fields


# A rule returns what is wrong with the value of a field, or nothing.


def _broken_quote(value: object) -> str:
    return "" if value == QUOTE else f"must be {QUOTE}, got {_SHORT.repr(value)}"


def _broken_generation(value: object) -> str:
    if type(value) is int and value >= 1:
        return ""
    return f"its generation is {_SHORT.repr(value)}, no number from 1"


def _broken_freq(value: object) -> str:
    if isinstance(value, str) and value in FREQS:
        return ""
    return f"{_SHORT.repr(value)} is none of {', '.join(FREQS)}"


def _broken_policies(value: object) -> str:
    if not isinstance(value, dict) or not all(isinstance(action, str) for action in value.values()):
        return f"policies: must be kinds and actions, got {_SHORT.repr(value)}"
    try:
        check_policies(value)
    except OptionError as error:
        return str(error)
    return ""


def _broken_parts(value: object) -> str:
    if not isinstance(value, list) or not value:
        return "names no parts"
    return next(filter(None, (_broken_name("part", name) for name in value)), "")


def _broken_deltas(value: object) -> str:
    if not isinstance(value, list) or not all(map(_has_coins, value)):
        return "its deltas are no list of files and coins"
    for delta in value:
        unknown = sorted(set(delta) - set(_DELTA_FIELDS))
        if unknown:
            return f"{_SHORT.repr(unknown[0])} is not a field of a delta"
        for field, kind in _DELTA_FILES.items():
            name = delta.get(field)
            if (name is not None or field == "rows") and (reason := _broken_name(kind, name)):
                return f"{field}: {reason}"
    return ""


def _has_coins(delta: object) -> bool:
    return isinstance(delta, dict) and all(
        isinstance(delta.get(end), str) for end in ("first", "last")
    )


def _broken_name(kind: str, name: object) -> str:
    # None may lead out of the folder.
    if isinstance(name, str) and _FILE_NAMES[kind].fullmatch(name):
        return ""
    return (
        f"names {_SHORT.repr(name)}, which is not a file of a table; do not use this table unless "
        "you know why"
    )


def _broken_texts(value: object) -> str:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        return f"must be a list of texts, got {_SHORT.repr(value)}"
    return ""


def _broken_splits(value: object) -> str:
    return _broken_texts(value) or _undeclarable(cast("list[str]", value), [])


def _broken_renames(value: object) -> str:
    return _broken_texts(value) or _undeclarable([], cast("list[str]", value))


def _undeclarable(splits: list[str], renames: list[str]) -> str:
    try:
        Declared.of(splits, renames)
    except OptionError as error:
        return str(error)
    return ""


def _broken_raw(name: object) -> str:
    return "" if name is None else _broken_name("raw", name)


def _broken_own(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, dict) or set(value) != set(_OWN_FIELDS):
        return f"must be {', '.join(_OWN_FIELDS)}, got {_SHORT.repr(value)}"
    broken = _broken_name("own", value["file"])
    broken = broken or _broken_texts(value["columns"]) or _broken_texts(value["facts"])
    if not broken:
        try:
            check_own(value["columns"], value["facts"])
        except OptionError as error:
            return str(error)
    return broken


_RULES: Mapping[str, Callable[[object], str]] = {
    "quote": _broken_quote,
    "generation": _broken_generation,
    "freq": _broken_freq,
    "policies": _broken_policies,
    "parts": _broken_parts,
    "deltas": _broken_deltas,
    "index": partial(_broken_name, "index"),
    "findings": partial(_broken_name, "findings"),
    "raw": _broken_raw,
    "splits": _broken_splits,
    "renames": _broken_renames,
    "own": _broken_own,
}
"""Field of a manifest -> what is wrong with its value, or nothing."""
