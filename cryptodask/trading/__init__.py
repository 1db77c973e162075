"""From forecasts to trades: rules, a simulation of what they would have done, its figures.

Examples
--------
>>> from cryptodask.trading import Costs, simulate
>>> result = simulate("runs/ridge", rules="ridge", costs=Costs(fee=0.001))  # doctest: +SKIP
>>> result.figures, result.fills                                        # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.trading.api import Simulation, simulate
    from cryptodask.trading.rules import Rule, read_rule
    from cryptodask.trading.simulation import Market, Outcome, simulate_targets
    from cryptodask.trading.terms import Account, Costs, Lots

__all__ = [
    "Account", "Costs", "Lots", "Market", "Outcome", "Rule", "Simulation", "read_rule", "simulate",
    "simulate_targets",
]  # fmt: skip

_HOME = {
    **dict.fromkeys(("Simulation", "simulate"), "cryptodask.trading.api"),
    **dict.fromkeys(("Account", "Costs", "Lots"), "cryptodask.trading.terms"),
    **dict.fromkeys(("Rule", "read_rule"), "cryptodask.trading.rules"),
    **dict.fromkeys(("Market", "Outcome", "simulate_targets"), "cryptodask.trading.simulation"),
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask.trading' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
