"""Where results may be written: not every URL that can be read from keeps what it is given."""

import os
from typing import TYPE_CHECKING

from cryptodask.errors import OptionError
from cryptodask.io.paths import AnyPath, path_of

if TYPE_CHECKING:
    from upath import UPath

_REASONS = {
    "memory": "is the memory of one process and gone with it",
    "data": "is a content without a place",
} | dict.fromkeys(
    ("asyncwrapper", "blockcache", "cached", "dir", "filecache", "generic", "reference",
     "simplecache"),
    "is a way to read another store",
)  # fmt: skip
"""Protocols of fsspec that keep no results, and why."""


def store_of(given: "str | os.PathLike[str] | UPath") -> AnyPath:
    """Return the path that a user gave for results.

    Parameters
    ----------
    given : str, path or UPath

    Raises
    ------
    OptionError
        A URL is of a protocol that keeps nothing, or is refused by `path_of`.
    MissingExtraError
        The package of its file system is not installed.
    """
    protocol, is_url, _ = str(given).lower().partition("://")
    if is_url and protocol in _REASONS:
        raise OptionError(
            f"{given}: results can't be put there: {protocol}:// {_REASONS[protocol]}; write a "
            "path, or the URL of a store, as s3://bucket/folder (gs, abfs, …)"
        )
    return path_of(given)
