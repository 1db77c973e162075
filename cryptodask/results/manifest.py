"""The manifest of a run's folder, which is written last: it makes the result whole."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import attrs
import numpy as np

from cryptodask.errors import InputError, TableError
from cryptodask.io.files import FileRecord, read_json
from cryptodask.io.paths import AnyPath
from cryptodask.io.sealed import digest, unseal, write_sealed
from cryptodask.io.structure import structured
from cryptodask.records import DateArray

PLAN, MANIFEST = "_plan.json", "_manifest.json"
"""Readers of Parquet pass over files whose names begin with an underscore."""

FAILURES, LOST, TASKS = "_failures.parquet", "_lost.parquet", "_tasks.parquet"
"""The tables beside a result."""

VERSION = 2


def run_key(plan: Mapping[str, Any]) -> str:
    """Return a digest of all that decides a result, by which the files of a run name it.

    Parameters
    ----------
    plan : mapping of str to Any
        A plan as JSON has it; its tasks do not matter.

    Raises
    ------
    KeyError
        It is not a plan.
    """
    return digest([plan["kind"], plan["facts"], plan["models"], plan["coins"]])


def _positive(_: Any, __: "attrs.Attribute[Any]", value: int) -> None:
    if value < 1:
        raise ValueError(f"must be at least 1, got {value}")


@attrs.frozen(kw_only=True)
class Manifest:
    """What a folder holds.

    Attributes
    ----------
    version : int
        Of this format.
    key : str
        That of the run's plan.
    kind : str
        ``forecasts`` or ``backtest``: how names of its tables begin.
    models : list of str
    horizon : int
    seed : int
    features : dict of str to str
        Fingerprints of what models on declared features saw, by model.
    intervals : bool
    rows : int
        Of all files.
    files : list of FileRecord
        By model and coin.
    beside : list of FileRecord
        The tables of failures, of what was lost, and of tasks.
    origins : list of str
        Of a backtest.
    facts : dict of str to Any
        Of a version of a model; see `cryptodask.results.version`.
    """

    version: int = VERSION
    key: str
    kind: str
    models: list[str]
    horizon: int = attrs.field(validator=_positive)
    seed: int = 0
    features: dict[str, str] = attrs.field(factory=dict)
    intervals: bool = False
    rows: int = 0
    files: list[FileRecord]
    beside: list[FileRecord] = attrs.field(factory=list)
    origins: list[str] = attrs.field(factory=list)
    facts: dict[str, Any] = attrs.field(factory=dict)

    @property
    def dates(self) -> DateArray:
        """The origins, ``(n_origins,)``."""
        return np.array(self.origins, dtype="datetime64[s]")

    def record(self, name: str) -> FileRecord | None:
        """Return the record of a file beside the result; None where there is none."""
        return next((record for record in self.beside if record.name == name), None)


def write_manifest(folder: AnyPath, manifest: Manifest) -> None:
    """Write the manifest of a folder in which all else is there."""
    content = attrs.asdict(manifest, recurse=False)
    content |= {key: [asdict(record) for record in content[key]] for key in ("files", "beside")}
    write_sealed(content, folder / MANIFEST)


def read_manifest(folder: AnyPath, kinds: Sequence[str] = ("forecasts", "backtest")) -> Manifest:
    """Read the manifest of a folder.

    Parameters
    ----------
    folder : Path or UPath
    kinds : sequence of str
        Those that are wanted.

    Raises
    ------
    TableError
        There is none, since the run did not end.
    InputError
        It is damaged or of something else; the message names the key.
    """
    path = folder / MANIFEST
    try:
        content = read_json(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TableError(
            f"{folder}: no {MANIFEST}: holds no result that is whole; `cryptodask resume {folder}` "
            "ends a run that was stopped"
        ) from error
    if isinstance(content, dict) and "files" in content and "version" not in content:
        raise InputError(
            f"{path}: version: is missing, as in folders that an earlier CryptoDask wrote; "
            "pandas.read_parquet reads its tables, or run it again with --overwrite"
        )
    damage = unseal(content)
    manifest = structured(Manifest, content, str(path))
    if manifest.version != VERSION:
        raise InputError(
            f"{path}: version: {manifest.version}, and this CryptoDask reads {VERSION}; use the "
            "one that wrote it"
        )
    if manifest.kind not in kinds:
        raise InputError(f"{path}: kind: {manifest.kind!r}, and {' or '.join(kinds)} is wanted")
    for record in manifest.files:
        if "/" in record.name or not record.name.startswith(f"{manifest.kind}-"):
            raise InputError(f"{path}: files: {record.name!r} is not a file of {manifest.kind}")
    try:
        manifest.dates  # noqa: B018 - whether they are dates
    except ValueError as error:
        raise InputError(f"{path}: origins: {error}") from error
    if damage is not None:
        raise InputError(f"{path}: {damage}; restore it from a copy, or run it again")
    return manifest
