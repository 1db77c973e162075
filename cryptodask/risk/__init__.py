"""How far coins may move: volatility, quantiles, probabilities, value at risk, simulated paths.

Examples
--------
>>> from cryptodask.risk import measure_risk
>>> result = measure_risk("data", levels=(50, 99), weights="equal")    # doctest: +SKIP
>>> result.coins, result.portfolio                                        # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.risk.api import Risk, measure_risk
    from cryptodask.risk.distribution import MoveDistribution
    from cryptodask.risk.options import RiskOptions

__all__ = ["MoveDistribution", "Risk", "RiskOptions", "measure_risk"]

_HOME = {
    **dict.fromkeys(("Risk", "measure_risk"), "cryptodask.risk.api"),
    "MoveDistribution": "cryptodask.risk.distribution",
    "RiskOptions": "cryptodask.risk.options",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask.risk' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
