"""What a model is to forecast: prices, returns, or returns over a coin's volatility, and back."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features.rows import Rows
from cryptodask.records import FloatArray

Kind = Literal["price", "return", "log_return", "scaled"]
VOLATILITY_ROWS = 30
MOST_ROWS = 10_000


@dataclass(frozen=True)
class Target:
    """What is to be forecast of each row, for each of the bars after it.

    Attributes
    ----------
    kind : {"price", "return", "log_return", "scaled"}
        ``price`` is the close; ``return`` its growth since the row, ``log_return`` the log of
        that; ``scaled`` is the log return over the coin's volatility, the root mean square of its
        last log returns up to the row, so that coins of any volatility look alike.
    rows : int
        Log returns that volatility is taken from, of ``scaled``; 0 of others.
    """

    kind: Kind = "scaled"
    rows: int = VOLATILITY_ROWS

    VERSION = 1

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read ``price``, ``return``, ``log_return``, ``scaled`` or ``scaled:60``.

        Parameters
        ----------
        text : str

        Raises
        ------
        OptionError
            It is none of them.
        """
        kind, rows = parse_kind("target", text, get_args(Kind), {"scaled": VOLATILITY_ROWS})
        return cls(kind, rows)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The target as it is written."""
        return f"{self.kind}:{self.rows}" if self.rows else self.kind

    @property
    def history(self) -> int:
        """Rows of a segment, a row itself included, until it has a target."""
        return self.rows + 1

    def of(self, rows: Rows, horizon: int) -> FloatArray:
        """Return the targets of every row.

        Parameters
        ----------
        rows : Rows
        horizon : int
            Bars ahead.

        Returns
        -------
        ndarray of float64, ``(n_rows, horizon)``
            NaN where the segment ends before, and where the price stood still in all the rows from
            which volatility is taken.
        """
        closes = rows.panel.values
        targets = np.empty((horizon, len(closes)))
        scale = self.scale(rows)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for step, target in enumerate(targets, start=1):
                later = rows.segments.ahead(closes, step)
                if self.kind == "price":
                    target[:] = later
                elif self.kind == "return":
                    target[:] = later / closes - 1.0
                else:
                    target[:] = np.log(later / closes) / scale
        targets[~np.isfinite(targets)] = np.nan
        return targets.T

    def scale(self, rows: Rows) -> FloatArray:
        """Return the unit of log returns at each row: volatility, or 1.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        if self.kind != "scaled":
            return np.ones(len(rows.panel.values))
        return np.sqrt(rows.segments.mean(rows.returns * rows.returns, self.rows))

    def prices(self, targets: FloatArray, closes: FloatArray, scale: FloatArray) -> FloatArray:
        """Return the prices that targets stand for.

        Parameters
        ----------
        targets : ndarray of float64, ``(n, horizon)``
        closes, scale : ndarray of float64, ``(n,)``
            Of the rows that are forecast from; closes in the quote currency.

        Returns
        -------
        ndarray of float64, ``(n, horizon)``
            In the quote currency.
        """
        if self.kind == "price":
            return targets
        with np.errstate(over="ignore"):  # reported as a forecast that is not finite
            growth = targets + 1.0 if self.kind == "return" else np.exp(targets * scale[:, None])
            return growth * closes[:, None]


def parse_kind(
    option: str, text: str, kinds: tuple[str, ...], rows: dict[str, int]
) -> tuple[str, int]:
    """Read one of several words; a number of rows may follow some of them.

    Parameters
    ----------
    option, text : str
        The option's name, for the message, and its value.
    kinds : tuple of str
        The words.
    rows : dict of str to int
        The words that take a number, and the number by default.

    Raises
    ------
    OptionError
        It is none of them, or the number is not one of rows.
    """
    kind, colon, number = text.partition(":")
    written = ", ".join(f"{k}:ROWS" if k in rows else k for k in kinds)
    if kind not in kinds or (colon and kind not in rows):
        raise OptionError(f"{option}: must be one of {written}, got {text!r}")
    if not colon:
        return kind, rows.get(kind, 0)
    if not (number.isdecimal() and 2 <= int(number) <= MOST_ROWS):
        raise OptionError(f"{option}: {text!r}: ROWS must be in 2 to {MOST_ROWS}, as {kind}:30")
    return kind, int(number)
