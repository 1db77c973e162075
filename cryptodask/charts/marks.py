"""What a chart is made of: lines, bands and cells on panes. No drawing here."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.charts.style import INK, style
from cryptodask.records import FloatArray


@dataclass(frozen=True, eq=False)
class Line:
    """A line.

    Attributes
    ----------
    label : str
        In the legend; lines with the same label share an entry, an empty one has none.
    x : ndarray, ``(n,)``
        Numbers, or dates on a pane of dates.
    y : ndarray of float64, ``(n,)``
        In the unit of the pane; NaN interrupts the line.
    place : int or None
        Position among the models, which decides colour and dash; None draws in black.
    dots : bool
        Whether each point has a dot.
    """

    label: str
    x: NDArray[Any]
    y: FloatArray
    place: int | None = None
    dots: bool = False

    @property
    def look(self) -> tuple[str, str]:
        """Colour and dash."""
        return (INK, "solid") if self.place is None else style(self.place)


@dataclass(frozen=True, eq=False)
class Band:
    """The space between two lines.

    Attributes
    ----------
    x : ndarray, ``(n,)``
    low, high : ndarray of float64, ``(n,)``
        In the unit of the pane; NaN interrupts the band.
    place : int
        Position among the models, which decides the colour.
    """

    x: NDArray[Any]
    low: FloatArray
    high: FloatArray
    place: int


@dataclass(frozen=True, eq=False)
class Cells:
    """Shares as darkness, rows over dates.

    Attributes
    ----------
    shares : ndarray of float, ``(n_rows, n_columns)``
        0 (white) to 1 (dark); the first row is at the bottom.
    first, last : datetime64
        Begin of the first column and end of the last.
    names : tuple of str, ``(n_rows,)``
        Of the rows, for tooltips.
    """

    shares: NDArray[Any]
    first: np.datetime64
    last: np.datetime64
    names: tuple[str, ...]


@dataclass(frozen=True)
class Pane:
    """One picture with its axes.

    Attributes
    ----------
    marks : tuple of Line, Band and Cells
        The first is drawn first.
    title, x_label, y_label : str
    dates : bool
        Whether x are dates.
    log : bool
        Whether the y axis is logarithmic; what is not above 0 is then not drawn.
    percent : bool
        Whether y, and x that are no dates, are shares, shown in percent.
    level : float or None
        A dotted line across, in the unit of y.
    moment : datetime64 or None
        A dotted line upright.
    """

    marks: tuple[Line | Band | Cells, ...]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    dates: bool = False
    log: bool = False
    percent: bool = False
    level: float | None = None
    moment: np.datetime64 | None = field(default=None, compare=False)

    def drawn(self, values: FloatArray) -> FloatArray:
        """Return values as the y axis has them: NaN where a logarithm is missing.

        Parameters
        ----------
        values : ndarray of float64, ``(n,)``
        """
        numbers = np.asarray(values, dtype=np.float64)
        return np.where(numbers > 0, numbers, np.nan) if self.log else numbers
