"""The database of what was forecast: runs, forecasts, failures, scores, and what came.

SQLite by default, PostgreSQL by URL. `open_store` opens it; SQLAlchemy is imported then.

Examples
--------
>>> from cryptodask.store import open_store
>>> with open_store("forecasts.db") as store:                      # doctest: +SKIP
...     store.add("runs/2026-11-28")
...     store.latest(["Bitcoin"])
"""

import os
from typing import TYPE_CHECKING

from cryptodask.store.records import Alert, Judgement, Request

if TYPE_CHECKING:
    from cryptodask.store.store import Store

__all__ = ["Alert", "Judgement", "Request", "is_store", "open_store"]

_BEGIN = b"SQLite format 3\0"
"""How a file of SQLite begins."""


def is_store(place: "str | os.PathLike[str]") -> bool:
    """Return whether a place is a URL of PostgreSQL, or a file of an SQLite database.

    Parameters
    ----------
    place : str or path
    """
    text = os.fspath(place)
    if text.startswith(("postgresql://", "postgres://")):
        return True
    try:
        with open(text, "rb") as file:  # noqa: PTH123 - text may be a URL
            return file.read(len(_BEGIN)) == _BEGIN
    except OSError:
        return False


def open_store(place: "str | os.PathLike[str]", *, make: bool = True) -> "Store":
    """Open a store; make it, or bring its tables up to date, where needed.

    Parameters
    ----------
    place : str or path
        The file of an SQLite database, which is made where there is none, or a URL as
        ``postgresql://user@host/database``. A password belongs into ``~/.pgpass`` or
        ``PGPASSWORD``.
    make : bool
        Whether a file that is not there is made; else that is an error.

    Raises
    ------
    MissingExtraError
        PostgreSQL's driver is not installed.
    StoreError
        The database is missing or can't be reached, or a newer CryptoDask made its tables.
    """
    from cryptodask.store.store import Store

    return Store(place, make=make)
