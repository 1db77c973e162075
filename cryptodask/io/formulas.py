"""Text in CSV files that a spreadsheet would take for a formula, and run.

As OWASP advises (CSV Injection): a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a
carriage return gets an apostrophe before it, which spreadsheets show as text. So does one that
begins with apostrophes and one of these then, so that `unguard` gives back what there was. Numbers
are columns of numbers, not text, and stay as they are. Parquet files have no such cells.
"""

import re
from collections.abc import Callable

import pandas as pd

_RISKY = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def guard(cell: str) -> str:
    """Return a text as it is written into a CSV file.

    Parameters
    ----------
    cell : str
    """
    return f"'{cell}" if _RISKY.match(cell) else cell


def unguard(cell: str) -> str:
    """Return the text that `guard` was given.

    Parameters
    ----------
    cell : str
    """
    return cell[1:] if _GUARDED.match(cell) else cell


def guard_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose texts can be written into a CSV file.

    Parameters
    ----------
    frame : DataFrame
    """
    return _map_texts(frame, guard)


def unguard_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame that `guard_frame` was given, read back from a CSV file.

    Parameters
    ----------
    frame : DataFrame
    """
    return _map_texts(frame, unguard)


def _map_texts(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def of_cell(cell: object) -> object:
        return change(cell) if isinstance(cell, str) else cell

    texts = frame.select_dtypes(exclude=["number", "datetime", "bool"])
    changed = {name: texts[name].map(of_cell) for name in texts}
    return frame.assign(**{str(name): column for name, column in changed.items()})
