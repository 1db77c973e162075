"""What results show of themselves: a line of text, and facts for a notebook. Nothing is read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from cryptodask.charts import facts_html
from cryptodask.io.paths import AnyPath
from cryptodask.text import counted, printable, shown_date, shown_names

MODELS = 6
"""Names of models that are shown."""


class Result(Protocol):
    """What all results have."""

    @property
    def horizon(self) -> int:
        """Bars ahead."""

    @property
    def failures(self) -> pd.DataFrame:
        """Coins and models that failed."""

    @property
    def lost(self) -> pd.DataFrame:
        """Rows that could not be read."""

    @property
    def path(self) -> AnyPath | None:
        """Folder of its files."""


class ShowsFacts(ABC):
    """Base class of what prints facts of itself: as a line, and as a table in a notebook.

    A dataclass that derives from it is made with ``repr=False``. Nothing is read from a folder.
    """

    @abstractmethod
    def _facts(self) -> dict[str, object]:
        """Return what is in it, by name; None is left out."""

    def __repr__(self) -> str:
        return line_of(type(self).__name__, self._facts())

    def _repr_html_(self) -> str:
        return facts_html(type(self).__name__, self._facts())


def facts_of(
    result: Result, models: list[str], facts: Mapping[str, object], held: str
) -> dict[str, object]:
    """Return what a result has: models, horizon, its own facts, failures, losses and place.

    Parameters
    ----------
    result : Result
    models : list of str
        Or candidates.
    facts : mapping of str to object
        What is its own; None is left out.
    held : str
        Where its rows are, if not in a folder.
    """
    return {
        "models": shown_names(models, MODELS),
        "horizon": counted(result.horizon, "bar"),
        **facts,
        "failures": f"{len(result.failures):,}",
        "rows lost": f"{len(result.lost):,}" if len(result.lost) else None,
        "files": held if result.path is None else result.path,
    }


def line_of(title: str, facts: Mapping[str, object]) -> str:
    """Return facts as one line.

    Parameters
    ----------
    title : str
        The class.
    facts : mapping of str to object
        None is left out.
    """
    shown = [
        f"{name}: {printable(str(value), one_line=True)}"
        for name, value in facts.items()
        if value is not None
    ]
    return f"{title}({'; '.join(shown)})"


def span_of(dates: Any) -> str | None:
    """Return the first and the last of some dates, or the only one; None of none.

    Parameters
    ----------
    dates : sequence of datetime64
    """
    known = pd.Series(dates).dropna()
    if known.empty:
        return None
    first, last = pd.Timestamp(known.min()), pd.Timestamp(known.max())
    return shown_date(first) if first == last else f"{shown_date(first)} to {shown_date(last)}"
