"""Which volatility models there are, their parameters, and how both forms of these are laid out."""

from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.records import FloatArray

KINDS = ("ewma", "garch", "gjr", "harch")
ERRORS = ("normal", "t")
MEANS = ("zero", "constant")

_NAMES = {
    "ewma": ("lambda",),
    "garch": ("omega", "alpha", "beta"),
    "gjr": ("omega", "alpha", "gamma", "beta"),
    "harch": ("omega", "alpha_1", "alpha_5", "alpha_22"),
}
_FREE = {
    "ewma": ("logit lambda",),
    "garch": ("log omega", "logit persistence", "logit share of returns"),
    "gjr": ("log omega", "logit persistence", "logit share of returns", "logit share of losses"),
    "harch": ("log omega", "logit persistence", "logit share of 1", "logit share of 5 in rest"),
}
# Which starts are tried: persistence, and how much of it is due to the last return; of an EWMA the
# weight of the last variance.
_STARTS = {
    "ewma": ((0.94, 0.0), (0.98, 0.0), (0.85, 0.0), (0.999, 0.0)),
    "garch": ((0.98, 0.05), (0.95, 0.1), (0.97, 0.2), (0.7, 0.2), (0.99, 0.003)),
    "gjr": ((0.98, 0.05), (0.95, 0.1), (0.97, 0.2), (0.7, 0.2), (0.99, 0.003)),
    "harch": ((0.9, 0.3), (0.6, 0.4)),
}
_NU_START = 5.0


@dataclass(frozen=True)
class VolatilityModel:
    """How the variance of log returns follows from earlier ones, and how errors are distributed.

    Attributes
    ----------
    kind : str
        ``ewma``: an exponential average of squared returns (RiskMetrics, 1996); ``garch``:
        GARCH(1,1) (Bollerslev, 1986); ``gjr``: one in which returns below 0 count by ``gamma`` more
        (Glosten, Jagannathan and Runkle, 1993); ``harch``: means of the last 1, 5 and 22 squared
        returns (Müller et al., 1997), the HAR model of squared returns.
    errors : str
        ``normal``, or ``t``: Student's, scaled to unit variance (Bollerslev, 1987).
    mean : str
        Of returns: ``zero``, or a ``constant`` that is fitted.
    decay : float, optional
        Of an EWMA, the weight of the last variance, in (0, 1); by default it is fitted.

    Raises
    ------
    OptionError
        If an option is unknown or out of its range.
    """

    kind: str = "garch"
    errors: str = "t"
    mean: str = "zero"
    decay: float | None = None

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("errors", ERRORS), ("mean", MEANS)):
            if getattr(self, name) not in known:
                raise OptionError(f"{name}={getattr(self, name)!r}: one of {', '.join(known)}")
        if self.decay is not None and self.kind != "ewma":
            raise OptionError(f"decay={self.decay!r}: of kind 'ewma' only, not {self.kind!r}")
        if self.decay is not None and not 0.0 < self.decay < 1.0:
            raise OptionError(f"decay={self.decay!r}: above 0 and below 1")

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters, as `arch` names them, ``(n_params,)``."""
        mean = ("mu",) if self.mean == "constant" else ()
        return (*mean, *_NAMES[self.kind], *(("nu",) if self.errors == "t" else ()))

    @property
    def free_names(self) -> tuple[str, ...]:
        """Parameters without bounds, which are fitted and pooled, ``(n_free,)``."""
        mean = ("mu",) if self.mean == "constant" else ()
        middle = () if self.decay is not None else _FREE[self.kind]
        return (*mean, *middle, *(("logit 1/nu",) if self.errors == "t" else ()))

    @property
    def code(self) -> tuple[int, bool, bool, float]:
        """What compiled code knows of it: kind, whether a mean, whether t errors, decay."""
        decay = np.nan if self.decay is None else self.decay
        return KINDS.index(self.kind), self.mean == "constant", self.errors == "t", decay

    def starts(self) -> FloatArray:
        """Return where fits are tried from, as free parameters, ``(n_starts, n_free)``."""
        from cryptodask.volatility.transforms import NU_LEAST, NU_MOST

        rows = []
        for persistence, share in _STARTS[self.kind]:
            row = [0.0] if self.mean == "constant" else []
            if self.kind == "ewma":
                row += [] if self.decay is not None else [_logit(persistence)]
            else:
                row += [np.log(1.0 - persistence), _logit(persistence), _logit(share)]
                row += [0.0] * (self.kind != "garch")
            if self.errors == "t":
                part = (1 / _NU_START - 1 / NU_MOST) / (1 / NU_LEAST - 1 / NU_MOST)
                row.append(_logit(part))
            rows.append(row)
        if self.decay is not None:
            rows = rows[:1]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.free_names))

    def params_of(self, natural: FloatArray, scale: FloatArray) -> FloatArray:
        """Return parameters by name, of returns, from those of compiled code, of scaled ones.

        Parameters
        ----------
        natural : ndarray of float64, ``(n_fits, 6)``
        scale : ndarray of float64, ``(n_fits,)``
            By which returns were divided.

        Returns
        -------
        ndarray of float64, ``(n_fits, n_params)``
        """
        mu, omega, first, second, third, nu = natural.T
        columns = {
            "mu": mu * scale, "omega": omega * scale**2, "alpha": first, "gamma": second - first,
            "beta": third, "lambda": third, "nu": nu,
            "alpha_1": first, "alpha_5": second, "alpha_22": third,
        }  # fmt: skip
        return np.column_stack([columns[name] for name in self.names])

    def natural_of(self, params: FloatArray) -> FloatArray:
        """Return parameters in the order of compiled code, of returns as they are.

        Parameters
        ----------
        params : ndarray of float64, ``(n_fits, n_params)``
            In the order of `names`.

        Returns
        -------
        ndarray of float64, ``(n_fits, 6)``
        """
        n = len(params)
        columns = dict(zip(self.names, params.T, strict=True))
        if self.kind == "ewma":
            weight = 1.0 - columns["lambda"]
            inner = [np.zeros(n), weight, weight, columns["lambda"]]
        elif self.kind == "harch":
            inner = [columns[name] for name in _NAMES["harch"]]
        else:
            alpha = columns["alpha"]
            down = alpha + columns["gamma"] if self.kind == "gjr" else alpha
            inner = [columns["omega"], alpha, down, columns["beta"]]
        first, last = columns.get("mu", np.zeros(n)), columns.get("nu", np.full(n, np.inf))
        return np.column_stack([first, *inner, last])


def _logit(share: float) -> float:
    return float(np.log(share / (1.0 - share)))
