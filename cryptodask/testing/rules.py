"""The rules that every model obeys, each a function of a `Trial`."""

from collections.abc import Callable, Mapping

from cryptodask.testing import declaring, forecasting, objects, refusing, training
from cryptodask.testing.trial import Trial

RULES: Mapping[str, Callable[[Trial], None]] = {
    rule.__name__.lstrip("_"): rule
    for module in (declaring, objects, forecasting, refusing, training)
    for rule in module.RULES
}
"""By name, in the order in which `check_model` tries them; the docstring says what is demanded."""
