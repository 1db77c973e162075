"""How many examples an expensive test of a property tries: few each time, and many by hand."""

import os

TIMES = int(os.environ.get("THOROUGH", "1"))
"""By what the numbers are multiplied. Examples are others each time, so that few add up."""


def examples(number: int) -> int:
    """Return how many examples to try, where a suite that is run at each change tries this many."""
    return number * TIMES
