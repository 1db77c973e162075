"""Errors of paths where it is not known what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cryptodask.errors import InputError, SourceError

if TYPE_CHECKING:
    from upath import UPath


@contextmanager
def looking(path: "Path | UPath", error_type: type[InputError] = SourceError) -> Iterator[None]:
    """Raise an error of this machine's file system in this block as one that names the path.

    Parameters
    ----------
    path : Path or UPath
        Errors of the latter are raised as they are.
    error_type : type
        Of what is raised.

    Raises
    ------
    InputError
        This process may not look there, or the disk fails.
    """
    try:
        yield
    except OSError as error:
        if not isinstance(path, Path):
            raise
        raise error_type(
            f"{path}: can't be looked into: {error.strerror or error}; get the right to read it, "
            "or see to its disk"
        ) from error
