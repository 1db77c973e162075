"""The manifest of a price table, which names its files."""

import json
import re
from pathlib import Path
from typing import Any

from cryptodask.errors import OptionError, SourceError, TableError
from cryptodask.prices.clean.policies import check_policies
from cryptodask.prices.freq import DAILY, FREQS

MANIFEST = "manifest.json"

FORMAT, VERSION = "cryptodask price table", 2

AGAIN = "import again, with --overwrite"

_OWN = re.compile(
    r"(part|delta)-[0-9a-f]{8}-[0-9]{5,}\.parquet|(index|findings)-[0-9a-f]{8}\.parquet"
)

Manifest = dict[str, Any]


def is_table(path: Path) -> bool:
    """Tell whether there is a table at a path."""
    return (path / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a table.

    Raises
    ------
    SourceError
        There is no table in that folder.
    TableError
        The manifest is damaged, of another version, or names what is no file of a table.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(
            f"{folder}: no price table (it has no {MANIFEST}); make one with "
            "`cryptodask prices import FOLDER --out TABLE`"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise TableError(
            f"{path}: is no manifest of a price table; import to another folder, or move this file "
            "out of a folder of price files"
        )
    version = manifest.get("version")
    if version == 1:  # as tables were before they could grow
        manifest |= {"version": VERSION, "generation": 1, "deltas": []}
    elif version != VERSION:
        raise TableError(
            f"{path}: is of version {version}, this CryptoDask reads version {VERSION}; {AGAIN}, "
            "or install the CryptoDask that wrote it"
        )
    _check_manifest(manifest, path)
    return manifest


def _check_manifest(manifest: Manifest, path: Path) -> None:
    """Refuse a manifest that lacks something or names a file that is none of a table's."""
    if not isinstance(manifest.get("parts"), list):
        raise TableError(f"{path}: names no parts; {AGAIN}")
    deltas, generation = manifest.get("deltas"), manifest.get("generation")
    if not isinstance(deltas, list) or not all(_is_delta(delta) for delta in deltas):
        raise TableError(f"{path}: its deltas are no list of files and coins; {AGAIN}")
    if not isinstance(generation, int) or isinstance(generation, bool) or generation < 1:
        raise TableError(f"{path}: its generation is {generation!r}, no number from 1; {AGAIN}")
    if manifest.setdefault("freq", DAILY) not in FREQS:
        raise TableError(
            f"{path}: freq: {manifest['freq']!r} is none of {', '.join(FREQS)}; {AGAIN}"
        )
    _check_policies(manifest, path)
    # Names come from a file that anyone may have written: none may lead out of the folder.
    for name in names_of(manifest):
        if not isinstance(name, str) or not _OWN.fullmatch(name):
            raise TableError(
                f"{path}: names {name!r}, which is no file of a table; do not use this table "
                f"unless you know why, and {AGAIN}"
            )


def _check_policies(manifest: Manifest, path: Path) -> None:
    """Refuse policies that this CryptoDask can't follow."""
    policies = manifest.setdefault("policies", {})
    try:
        if not isinstance(policies, dict):
            raise OptionError(f"policies: must be kinds and actions, got {policies!r}")
        manifest["policies"] = check_policies(policies)
    except OptionError as error:
        raise TableError(f"{path}: {error}; {AGAIN}") from error


def _is_delta(delta: object) -> bool:
    return isinstance(delta, dict) and all(
        isinstance(delta.get(key), str) for key in ("first", "last")
    )


def names_of(manifest: Manifest) -> list[Any]:
    """Return the names of all files of a table but its manifest."""
    names = [*manifest["parts"], manifest.get("index"), manifest.get("findings")]
    for delta in manifest["deltas"]:
        names.append(delta.get("rows"))
        if delta.get("findings") is not None:
            names.append(delta["findings"])
    return names
