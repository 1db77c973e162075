"""The files of a price table: their names, the manifest, and publishing in one step.

Nothing here knows what is in the files. Every step that a kill or a power cut could fall between
is in `Writer`: files are written under a new token and reach the disk first, then the manifest
that names them takes the place of the old one.
"""

import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cryptodask.errors import OptionError, SourceError, TableError
from cryptodask.io.lock import LOCK, locked, unwritable
from cryptodask.prices.clean.policies import check_policies
from cryptodask.prices.freq import DAILY, FREQS

MANIFEST = "manifest.json"
FORMAT, VERSION = "cryptodask price table", 2
AGAIN = "import again, with --overwrite"

_OWN = re.compile(
    r"(part|delta)-[0-9a-f]{8}-[0-9]{5,}\.parquet|(index|findings)-[0-9a-f]{8}\.parquet"
)
_DRAFT = re.compile(r"manifest-[0-9a-f]{8}\.json")

Manifest = dict[str, Any]
Append = Callable[[pd.DataFrame], None]


def is_table(path: Path) -> bool:
    """Tell whether there is a table at a path."""
    return (path / MANIFEST).is_file()


def is_free(path: Path) -> bool:
    """Tell whether a new table may be made at a path.

    That is so where nothing is, where an empty folder is, and where there is nothing but what
    writing a table left behind that was killed before it was one.
    """
    if not path.is_dir():
        return not path.exists() and not path.is_symlink()
    return all(_is_own(file.name) for file in path.iterdir())


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


class Writer:
    """The one process that may change a table; see `writing`.

    Attributes
    ----------
    folder : Path
        Of the table.
    before : dict or None
        The manifest that is there; None where there is none that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before, self._had = _manifest_before(folder)
        self._token = secrets.token_hex(4)

    def write(
        self,
        kind: str,
        frame: pd.DataFrame,
        number: int | None = None,
        *,
        facts: Mapping[str, str] | None = None,
        required: Sequence[str] = (),
        row_group_size: int | None = None,
        **how: Any,
    ) -> str:
        """Write a file, as far as the disk, and return its name. Nobody reads it yet.

        Parameters
        ----------
        kind, number
            For its name.
        frame : DataFrame
        facts : mapping of str to str, optional
            To be put into the file's footer.
        required : sequence of str
            Columns in which nothing is ever missing, which are quicker to read if they say so.
        row_group_size, **how
            See `pyarrow.parquet.ParquetWriter`.
        """
        place = "" if number is None else f"-{number:05d}"
        name = f"{kind}-{self._token}{place}.parquet"
        rows = pa.Table.from_pandas(frame, preserve_index=False)
        fields = [field.with_nullable(field.name not in required) for field in rows.schema]
        rows = rows.cast(pa.schema(fields, rows.schema.metadata))
        try:
            with pq.ParquetWriter(self.folder / name, rows.schema, **how) as sink:
                sink.write_table(rows, row_group_size)
                sink.add_key_value_metadata(dict(facts or {}))
            _sync(self.folder / name)
        except OSError as error:
            raise unwritable(self.folder / name, error) from error
        return name

    @contextmanager
    def stream(self, kind: str, like: pd.DataFrame) -> Iterator[tuple[str, Append]]:
        """Write a file piece by piece, so that it need not fit into memory.

        Parameters
        ----------
        kind : str
            Of the file.
        like : DataFrame
            Of no rows, with the columns that every piece has.

        Yields
        ------
        name, append
            The file's name, and what adds a frame to it.
        """
        name = f"{kind}-{self._token}.parquet"
        path = self.folder / name
        schema = pa.Schema.from_pandas(like, preserve_index=False)
        try:
            with path.open("wb") as file:
                with pq.ParquetWriter(file, schema) as sink:

                    def append(frame: pd.DataFrame) -> None:
                        if len(frame):
                            rows = pa.Table.from_pandas(frame, schema, preserve_index=False)
                            sink.write_table(rows)

                    yield name, append
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(path, error) from error

    def publish(self, manifest: Manifest, *, keep_old: bool) -> None:
        """Put a new manifest in place, in one step, and remove the files that none names.

        Parameters
        ----------
        manifest : dict
            Without what is the same in every one.
        keep_old : bool
            Whether the files of the table that was there stay until the next writer, for those
            who read them now.

        Raises
        ------
        TableError
            Another process has changed the table in spite of the lock.
        """
        generation = 1 + (self.before["generation"] if self.before else 0)
        head = {"format": FORMAT, "version": VERSION, "quote": "USD"}
        manifest = {**head, "generation": generation, **manifest}
        draft = self.folder / f"manifest-{self._token}.json"
        try:
            draft.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
            _sync(draft)
            _sync(self.folder)  # the names of the files, before the one that names them
            self._check_alone()
            draft.replace(self.folder / MANIFEST)
        except OSError as error:
            raise unwritable(self.folder / MANIFEST, error) from error
        _sync(self.folder)
        kept = {*names_of(manifest), *(names_of(self.before) if keep_old and self.before else [])}
        for file in [file for file in self.folder.iterdir() if _is_left_over(file.name)]:
            if file.name not in kept:
                file.unlink(missing_ok=True)

    def _check_alone(self) -> None:
        """Refuse to go on if another process has changed the table in spite of the lock."""
        if _bytes_there(self.folder) != self._had:
            raise TableError(
                f"{self.folder}: another process changed the table meanwhile, so nothing was "
                "written; its file system keeps no locks between your machines: let one process "
                "write at a time, and do this again"
            )

    def give_up(self) -> None:
        """Remove what this writer wrote, unless it was published and a later step failed."""
        if self._token.encode() in (_bytes_there(self.folder) or b""):
            return
        for file in self.folder.glob(f"*-{self._token}*"):
            file.unlink(missing_ok=True)


@contextmanager
def writing(folder: Path) -> Iterator[Writer]:
    """Hold the table in a folder for writing; a folder that is missing is made.

    Raises
    ------
    TableError
        Another process is writing there, or nobody can.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if made:
            _sync(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        with locked(folder):
            writer = Writer(folder)
            try:
                yield writer
            except BaseException:
                writer.give_up()
                raise
    finally:
        if made and not any(folder.iterdir()):
            folder.rmdir()


def _manifest_before(folder: Path) -> tuple[Manifest | None, bytes | None]:
    """Return the manifest that is there, if it can be read, and its bytes.

    Raises
    ------
    TableError
        It is the manifest of something else, which is not ours to replace.
    """
    data = _bytes_there(folder)
    if data is None:
        return None, None
    try:
        return read_manifest(folder), data
    except TableError:
        if not any(_OWN.fullmatch(file.name) for file in folder.iterdir()):
            raise
        return None, data


def _bytes_there(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None


def _is_left_over(name: str) -> bool:
    """Tell whether a file that no manifest names is what a writer left behind."""
    return bool(_OWN.fullmatch(name) or _DRAFT.fullmatch(name))


def _is_own(name: str) -> bool:
    return _is_left_over(name) or name == LOCK


def _sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, are on the disk."""
    folder = path.is_dir()
    if folder and sys.platform == "win32":
        return  # which has no call for that
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
