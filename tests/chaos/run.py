"""The run that is hurt, as a process of its own: ``python -m tests.chaos.run JSON``.

It forecasts by models that are fitted coin by coin, or, with ``intervals``, by one that is trained
on all of them, too, as of now and of past dates.
"""

import json
import sys
from pathlib import Path

from cryptodask import CryptoLoader, CryptoManager, create_model
from cryptodask.cluster import connect
from cryptodask.errors import CryptoDaskError
from cryptodask.evaluate.intervals.cohorts import Intervals
from tests.chaos.poison import Poison


def main() -> int:
    """Forecast into a folder; what is refused or lost is one line, and ends with 1."""
    told = json.loads(sys.argv[1])
    poison = {kind: tuple(coins) for kind, coins in told["poison"].items()}
    lstm = create_model("lstm", window=10, units=(8, 8), epochs=told["epochs"])
    models = [Poison(**poison, seconds=told["seconds"]), "linear", lstm]
    intervals: bool | Intervals = False
    if told.get("intervals"):
        network = create_model("lstm_global", window=10, units=(8,), steps=20, sample=8)
        models, intervals = [*models[:2], network], Intervals(5, 45, refit=5)
    try:
        with connect(told["scheduler"]) as client:
            CryptoManager(CryptoLoader(Path(told["source"])), client).forecast(
                models, 5, intervals=intervals, out=told["out"], timeout=told["timeout"],
                progress=False,
            )  # fmt: skip
    except CryptoDaskError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
