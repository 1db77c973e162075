"""Opening the database of a store, and bringing its tables up to date."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from cryptodask.errors import InputError, MissingExtraError, StoreError

SCRIPTS = Path(__file__).parent / "migrations"

PATIENCE = 60
"""Seconds that one process waits for another that writes to the same SQLite file."""

UPGRADING = 7_236_413
"""PostgreSQL's advisory lock of whoever changes the tables; any number of ours."""

WRITES = "cryptodask_writes"
"""Execution option of connections that write: SQLite locks the file for these from the start."""


def connect(place: "str | os.PathLike[str]", *, make: bool = True) -> Engine:
    """Return the database of a store, with tables that are up to date.

    Parameters
    ----------
    place : str or path
        A file of SQLite, or a URL of PostgreSQL.
    make : bool
        Whether a file that is not there is made.

    Raises
    ------
    InputError
        It is a URL of another database.
    MissingExtraError
        PostgreSQL's driver is not installed.
    StoreError
        The database is missing or can't be reached, or a newer CryptoDask made its tables.
    """
    engine = create_engine(_url_of(place), connect_args=_arguments(place))
    if engine.dialect.name == "sqlite":
        if not make and not _has_content(Path(str(engine.url.database))):
            raise StoreError(
                f"{engine.url.database}: no store there; `cryptodask store add FOLDER` makes one, "
                "--store or CRYPTODASK_STORE names another"
            )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with explained(engine):
            _upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn the errors of a database in this block into a `StoreError` of one line.

    Parameters
    ----------
    engine : Engine
    """
    try:
        yield
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise StoreError(
            f"{shown(engine)}: {reason}; --store or CRYPTODASK_STORE names the database"
        ) from error


def shown(engine: Engine) -> str:
    """Return the place of a database as messages name it, without a password."""
    url = engine.url
    if url.drivername.startswith("sqlite"):
        return str(url.database)
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def _url_of(place: "str | os.PathLike[str]") -> URL:
    """Return the URL of a place."""
    given = os.fspath(place)
    if "://" not in given:
        return URL.create("sqlite", database=str(Path(given).expanduser().absolute()))
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # whose text may have the password
        raise InputError("store: not a URL, as postgresql://user@host/database") from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        return url
    if backend not in ("postgresql", "postgres"):
        raise InputError(
            f"store: {backend}: no database that is known here; name a file, for SQLite, or "
            "postgresql://user@host/database"
        )
    if find_spec("psycopg") is None:
        raise MissingExtraError(
            "PostgreSQL needs the extra postgres: pip install 'cryptodask[postgres]'"
        )
    return url.set(drivername="postgresql+psycopg")


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _arguments(place: "str | os.PathLike[str]") -> dict[str, Any]:
    is_postgres = os.fspath(place).startswith("postgres")
    return {"connect_timeout": 10} if is_postgres else {"timeout": PATIENCE}


def _set_up_sqlite(connection: Any, record: Any) -> None:
    """Let readers read while one process writes, and begin transactions ourselves."""
    del record
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection for one transaction that writes.

    Parameters
    ----------
    engine : Engine
    """
    with (
        explained(engine),
        engine.connect().execution_options(**{WRITES: True}) as connection,
        connection.begin(),
    ):
        yield connection


def _upgrade(engine: Engine) -> None:
    """Make the tables, or change older ones, while no other process does."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    with engine.connect() as connection:
        if _revision(connection) == newest:
            return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADING})
        revision = _revision(connection)
        known = {script.revision for script in scripts.walk_revisions()}
        if revision is not None and revision not in known:
            raise StoreError(
                f"{shown(engine)}: its tables are of version {revision}, and this CryptoDask knows "
                f"those up to {newest}; use the CryptoDask that made them, or a newer one"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()
