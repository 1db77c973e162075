"""Log returns of many coins, ragged as a panel's rows."""

from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features.lags import log_returns
from cryptodask.records import FloatArray, IntArray, Panel


@dataclass(frozen=True, eq=False)
class Returns:
    """Log returns: coin ``i`` owns rows ``indptr[i]`` to ``indptr[i + 1]``, oldest first.

    Attributes
    ----------
    values : ndarray of float64, ``(n_rows,)``
        From the row before to each row, as logs (0.01 is about one per cent); NaN where there is
        none: a coin's first row, and the row after a gap.
    indptr : ndarray of int64, ``(n_coins + 1,)``

    Raises
    ------
    OptionError
        If offsets do not cover the rows in order.
    """

    values: FloatArray
    indptr: IntArray

    def __post_init__(self) -> None:
        # Numba compiles anew for arrays that may not be written or are not contiguous.
        values = np.require(self.values, np.float64, ["C", "W"])
        indptr = np.require(self.indptr, np.int64, ["C", "W"])
        if values.ndim != 1 or indptr.ndim != 1 or not len(indptr):
            raise OptionError(
                f"values and indptr: arrays of one dimension, offsets of at least one; they have "
                f"the shapes {values.shape} and {indptr.shape}"
            )
        if indptr[0] != 0 or indptr[-1] != len(values) or (np.diff(indptr) < 0).any():
            raise OptionError(
                f"indptr: offsets from 0 to the number of rows, {len(values)}, none below the one "
                f"before it; they go from {indptr[0]} to {indptr[-1]}"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "indptr", indptr)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> IntArray:
        """Rows of each coin, ``(n_coins,)``."""
        return np.diff(self.indptr)

    @classmethod
    def of(cls, panel: Panel) -> "Returns":
        """Return the log returns of a panel, row by row.

        Parameters
        ----------
        panel : Panel
            Of ``(n_rows,)`` closes. Rows that are not a step apart have no return between them.
        """
        ahead, linked = log_returns(panel)
        values = np.full(len(ahead), np.nan)
        after = np.flatnonzero(linked) + 1
        values[after] = ahead[after - 1]
        return cls(values, panel.indptr)
