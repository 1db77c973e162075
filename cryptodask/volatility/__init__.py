"""Volatility of log returns: models fitted to all coins in one compiled batch.

Examples
--------
>>> from cryptodask.volatility import Returns, VolatilityModel, fit
>>> fits = fit(VolatilityModel("gjr", errors="t"), Returns.of(panel))  # doctest: +SKIP
>>> fits.params, fits.converged                                        # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.volatility.filtering import (
        Filtered,
        VarianceForecast,
        backcasts,
        filter_variance,
        forecast_variance,
        loglikelihood,
        simulate_returns,
        standardised,
    )
    from cryptodask.volatility.fitting import Fits, fit
    from cryptodask.volatility.model import VolatilityModel
    from cryptodask.volatility.parameters import Parameters
    from cryptodask.volatility.pooling import PoolSums, pool
    from cryptodask.volatility.prior import Prior
    from cryptodask.volatility.returns import Returns

__all__ = [
    "Filtered", "Fits", "Parameters", "PoolSums", "Prior", "Returns", "VarianceForecast",
    "VolatilityModel", "backcasts", "filter_variance", "fit", "forecast_variance",
    "loglikelihood", "pool", "simulate_returns", "standardised",
]  # fmt: skip

_FILTERING = (
    "Filtered", "VarianceForecast", "backcasts", "filter_variance", "forecast_variance",
    "loglikelihood", "simulate_returns", "standardised",
)  # fmt: skip
_HOME = {
    **dict.fromkeys(_FILTERING, "cryptodask.volatility.filtering"),
    "Parameters": "cryptodask.volatility.parameters",
    **dict.fromkeys(("Fits", "fit"), "cryptodask.volatility.fitting"),
    **dict.fromkeys(("PoolSums", "pool"), "cryptodask.volatility.pooling"),
    "Prior": "cryptodask.volatility.prior",
    "VolatilityModel": "cryptodask.volatility.model",
    "Returns": "cryptodask.volatility.returns",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask.volatility' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
