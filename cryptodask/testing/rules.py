"""The rules that every model obeys, each a function of a `Trial`."""

from collections.abc import Callable, Mapping

from cryptodask.testing import declaring, forecasting, learning, objects, refusing, training
from cryptodask.testing.trial import Trial

# What a model says of itself, then its forecasts: a wrong shape, or numbers that are drawn anew in
# each run, would break most of the others, too, and their messages would say something else.
_FIRST = (*declaring.RULES[:1], *forecasting.RULES)

RULES: Mapping[str, Callable[[Trial], None]] = {
    rule.__name__.lstrip("_"): rule
    for rule in (
        *_FIRST,
        *declaring.RULES,
        *objects.RULES,
        *refusing.RULES,
        *training.RULES,
        *learning.RULES,
    )
}
"""By name, in the order in which `check_model` tries them; the docstring says what is demanded."""
