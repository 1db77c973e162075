"""Parameters of a model by coin, whether they were fitted or are given."""

from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.records import FloatArray, IntArray
from cryptodask.volatility.model import VolatilityModel


@dataclass(frozen=True, eq=False)
class Parameters:
    """Parameters of a volatility model; row ``i`` is of one coin.

    Attributes
    ----------
    model : VolatilityModel
    values : ndarray of float64, ``(n, n_params)``
        In the order of ``model.names``, of log returns; a row of NaN is of a coin without a fit.
    backcast : ndarray of float64, ``(n,)``, optional
        The variance before the first return, as a fit found it.
    coins : ndarray of int64, ``(n,)``, optional
        Position of each row's coin; by default row ``i`` is of coin ``i``.

    Raises
    ------
    OptionError
        If shapes do not match, or a parameter is out of its range.
    """

    model: VolatilityModel
    values: FloatArray
    backcast: FloatArray | None = None
    coins: IntArray | None = None

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64, ndmin=2)
        names = self.model.names
        if values.ndim != 2 or values.shape[1] != len(names):
            raise OptionError(
                f"values: (n, {len(names)}), columns {', '.join(names)}; the shape is "
                f"{np.shape(self.values)}"
            )
        object.__setattr__(self, "values", values)
        for name in ("backcast", "coins"):
            given = getattr(self, name)
            if given is not None and np.shape(given) != (len(values),):
                raise OptionError(
                    f"{name}: ({len(values)},), a number for each row of values; the shape is "
                    f"{np.shape(given)}"
                )
        self._check_ranges()

    def _check_ranges(self) -> None:
        natural = self.natural
        wrong = (natural[:, 1:5] < -1e-12).any(axis=1) | (natural[:, 5] <= 2.0)
        wrong |= np.isinf(self.values).any(axis=1)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            pairs = zip(self.model.names, self.values[row], strict=True)
            listed = ", ".join(f"{name}={value:g}" for name, value in pairs)
            raise OptionError(
                f"values[{row}]: finite, with no negative coefficient of squared returns or of the "
                f"last variance, lambda at most 1, nu above 2; they are {listed}"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def natural(self) -> FloatArray:
        """In the order of compiled code, ``(n, 6)``."""
        return self.model.natural_of(self.values)

    @property
    def positions(self) -> IntArray:
        """Each row's coin, ``(n,)``."""
        if self.coins is None:
            return np.arange(len(self.values))
        return np.asarray(self.coins, dtype=np.int64)

    @property
    def persistence(self) -> FloatArray:
        """How much of a deviation from the long-run variance is expected a step later, ``(n,)``."""
        _, _, first, second, third, _ = self.natural.T
        half = 1.0 if self.model.kind == "harch" else 0.5
        persistence: FloatArray = half * (first + second) + third
        return persistence

    @property
    def long_run(self) -> FloatArray:
        """The variance that forecasts revert to, ``(n,)``; infinite: to none, as of an EWMA."""
        away = 1.0 - self.persistence
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.where(away > 1e-12, self.natural[:, 1] / away, np.inf)
        return np.where(np.isnan(away), np.nan, variance)
