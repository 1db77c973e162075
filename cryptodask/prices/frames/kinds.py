"""What counts as a dataframe, and what messages call it."""

import os
from typing import Any, Protocol, TypeGuard, runtime_checkable

import pandas as pd


@runtime_checkable
class ArrowStream(Protocol):
    """What gives its rows by Arrow's C stream: tables of pyarrow, frames of polars and others."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return a PyCapsule of the stream."""
        ...


@runtime_checkable
class DaskFrame(Protocol):
    """A Dask dataframe."""

    @property
    def npartitions(self) -> int:
        """Number of partitions."""
        ...

    def to_delayed(self) -> list[Any]:
        """Return a delayed pandas frame for each partition."""
        ...


@runtime_checkable
class LazyFrame(Protocol):
    """A frame of polars that has not been computed."""

    def collect_schema(self) -> Any:
        """Return names and types."""
        ...

    def collect(self) -> Any:
        """Return it computed."""
        ...


Frame = pd.DataFrame | pd.Series | ArrowStream | DaskFrame | LazyFrame
"""Anything that can be given in place of files."""


def is_dask(given: object) -> TypeGuard[DaskFrame]:
    """Return whether something is a Dask dataframe or series.

    Parameters
    ----------
    given : object
    """
    return isinstance(given, DaskFrame) and hasattr(given, "divisions")


def is_frame(given: object) -> TypeGuard[Frame]:
    """Return whether something is a dataframe, and not a path.

    Parameters
    ----------
    given : object
    """
    if isinstance(given, str | os.PathLike):
        return False
    if isinstance(given, pd.DataFrame | pd.Series | ArrowStream):
        return True
    return is_dask(given) or isinstance(given, LazyFrame)


def library_of(given: object) -> str:
    """Return what messages call a frame: ``pandas DataFrame``.

    Parameters
    ----------
    given : object
    """
    library = type(given).__module__.partition(".")[0]
    return f"{library} {type(given).__name__}"
