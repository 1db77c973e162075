"""`OutputOptions`: where a command writes its result."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from cryptodask.errors import OptionError
from cryptodask.runs.fields import option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptodask.io.paths import AnyPath

RESUMED = "Folder that workers write to, where `cryptodask resume` continues a stopped run"


def read_path(text: str | None) -> "AnyPath | None":
    """Read a path or URL that results may be written to."""
    if text is None:
        return None
    from cryptodask.io.stores import store_of

    return store_of(text)


def check_file(flag: str, path: "AnyPath | None", endings: tuple[str, ...]) -> None:
    """Refuse before the work a file that could not be written after it.

    Parameters
    ----------
    flag : str
        The option that gives the path.
    path : Path or UPath, optional
    endings : tuple of str
        Of files; empty for a folder.

    Raises
    ------
    OptionError
        It has another ending or bytes that are no text, its folder does not exist, or a file is
        where a folder is wanted, or a folder where a file is.
    """
    if path is None:
        return
    if any("\ud800" <= letter <= "\udfff" for letter in str(path)):
        raise OptionError(f"{flag} {path}: has bytes that are not UTF-8; give another name")
    if path.suffix not in endings:
        known = " or ".join(ending or "be a folder, without an ending" for ending in endings)
        raise OptionError(f"{flag} {path}: must end in {known}")
    if isinstance(path, Path) and not path.parent.is_dir():
        raise OptionError(f"{flag} {path}: folder {path.parent} does not exist; make it first")
    if isinstance(path, Path) and not path.suffix and path.is_file():
        raise OptionError(f"{flag} {path}: is a file, and a folder is written; name another")
    if isinstance(path, Path) and path.suffix and path.is_dir():
        raise OptionError(f"{flag} {path}: is a folder, and a file is written; name another")


def check_apart(paths: "Mapping[str, str | AnyPath | None]") -> None:
    """Refuse before the work a file that would be written over another one of the command.

    Parameters
    ----------
    paths : mapping of str to str, Path, UPath or None
        By the option that gives it, in the order in which they are given; what is read first.

    Raises
    ------
    OptionError
        Two are the same place, or one is a file of prices of the folder that is read.
    """
    places: dict[Path, str] = {}
    for flag, path in paths.items():
        if path is None:
            continue
        place = Path(str(path)).resolve()
        first = places.setdefault(place, flag)
        if first != flag:
            raise OptionError(
                f"{flag} {path}: is what {first} names, which would be written over; give another"
            )
        if places.get(place.parent) == "SOURCE" and place.is_file():
            raise OptionError(
                f"{flag} {path}: is a file of the folder that SOURCE names, which would be written "
                "over; give another"
            )


@attrs.frozen(kw_only=True)
class OutputOptions:
    """Where a command writes its result.

    Attributes
    ----------
    out : Path, UPath or None
        A folder that workers write to, or a file that the command writes.
    overwrite : bool
        Whether the results of another run in that folder may be replaced.
    """

    panel: ClassVar[str] = "Output"
    endings: ClassVar[tuple[str, ...]] = (".parquet", ".csv")

    out: "AnyPath | None" = option(
        None,
        f"{RESUMED}; or a .parquet or .csv file; or a URL of these: s3://bucket/folder.",
        converter=read_path,
        reads=str | None,
        metavar="PATH",
    )
    overwrite: bool = option(
        False, "Replace the results of another run in that folder.", flag="--overwrite"
    )

    def __attrs_post_init__(self) -> None:
        check_file("--out", self.out, (*self.endings, ""))

    @property
    def folder(self) -> "AnyPath | None":
        """The folder that workers write to, if there is one."""
        return self.out if self.out is not None and not self.out.suffix else None

    @property
    def file(self) -> "AnyPath | None":
        """The file that the command writes, if there is one."""
        return self.out if self.out is not None and self.out.suffix else None


@attrs.frozen(kw_only=True)
class SearchOutput(OutputOptions):
    """Where a search writes its result."""

    endings: ClassVar[tuple[str, ...]] = (".json", ".csv")

    out: "AnyPath | None" = option(
        None,
        f"{RESUMED}; or a .json file for the result, or a .csv file for the candidates; or a URL "
        "of these: s3://bucket/folder.",
        converter=read_path,
        reads=str | None,
        metavar="PATH",
    )
