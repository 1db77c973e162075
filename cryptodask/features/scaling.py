"""Normalisation of features: along a window, over a coin's rows, or over those of all coins."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cryptodask.features.rows import Rows
from cryptodask.features.targets import parse_kind
from cryptodask.records import FloatArray

Kind = Literal["none", "window", "coin", "global"]
WINDOW_ROWS = 30


@dataclass(frozen=True)
class Scaling:
    """How features are made alike: each less its mean, over its standard deviation.

    A feature that does not vary is 0. Calendar features stay as they are.

    Attributes
    ----------
    kind : {"none", "window", "coin", "global"}
        Over what mean and deviation are taken. ``window``: the last rows of the segment, up to the
        row itself. ``coin``: all rows of the coin that the model sees, so that a feature depends on
        later rows, of the train part only: no model sees others. ``global``: those of all coins;
        left to the model, which alone sees all coins.
    rows : int
        Of a window; 0 of others.
    """

    kind: Kind = "none"
    rows: int = 0

    VERSION = 1

    @classmethod
    def parse(cls, text: str) -> "Scaling":
        """Read ``none``, ``window``, ``window:60``, ``coin`` or ``global``.

        Parameters
        ----------
        text : str

        Raises
        ------
        OptionError
            It is none of them.
        """
        kind, rows = parse_kind("normalise", text, get_args(Kind), {"window": WINDOW_ROWS})
        return cls(kind, rows)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The normalisation as it is written."""
        return f"{self.kind}:{self.rows}" if self.rows else self.kind

    @property
    def history(self) -> int:
        """Rows of a segment, beside a row itself, that it takes until a row is normalised."""
        return max(self.rows - 1, 0)

    def __call__(self, rows: Rows, feature: FloatArray) -> FloatArray:
        """Return a feature's column normalised, ``(n_rows,)``."""
        if self.kind == "window":
            return standardise(feature, *rows.segments.moments(feature, self.rows))
        return (
            standardise(feature, *_moments_of_coins(rows, feature))
            if self.kind == "coin"
            else feature
        )


def standardise(values: FloatArray, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """Return values less a mean over a deviation, 0 where they do not deviate.

    Parameters
    ----------
    values, mean, deviation : ndarray of float64, ``(n_rows,)``

    Returns
    -------
    ndarray of float64, ``(n_rows,)``
    """
    still = deviation == 0
    scaled: FloatArray = np.where(still, 0.0, (values - mean) / np.where(still, 1.0, deviation))
    return scaled


def _moments_of_coins(rows: Rows, feature: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation of a feature over its coin's known rows, for every row."""
    lengths = rows.panel.lengths
    starts = rows.panel.indptr[:-1][lengths > 0]
    lengths = lengths[lengths > 0]
    if not len(starts):
        return feature, feature
    known = np.isfinite(feature)
    with np.errstate(invalid="ignore", divide="ignore"):  # a coin without a known row
        counts = np.add.reduceat(known, starts, dtype=np.float64)
        mean = np.repeat(np.add.reduceat(np.where(known, feature, 0.0), starts) / counts, lengths)
        off = np.where(known, feature - mean, 0.0)
        squares = np.add.reduceat(off * off, starts) / counts
    return mean, np.repeat(np.sqrt(squares), lengths)
