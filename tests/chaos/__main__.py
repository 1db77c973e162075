"""``python -m tests.chaos``: many faults over runs of all coins of a source; see ``make chaos``."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from cryptodask import CryptoLoader
from cryptodask.prices.synthetic import synthetic_prices
from tests.chaos.harness import Chaos, chaos_on
from tests.chaos.hosts import possible
from tests.conftest import write_folder

WAYS = ({}, {"intervals": True, "seconds": 0.01})
"""What is asked of one run, and of the next."""


def main() -> int:
    """Print seed, faults by kind, how often the run was started again, and the verdict."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--source", type=Path, help="prices; by default a hundred coins made up")
    asked = parser.parse_args()
    if not possible():
        say("needs root, for network namespaces and a small file system: sudo make chaos")
        return 2
    say(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        source = asked.source or write_folder(work / "prices", synthetic_prices(100, 150, seed=7))
        coins = CryptoLoader(source).get_crypto_names()
        poison = {"crash": [coins[7]], "hang": [coins[len(coins) // 2]], "gorge": [coins[-5]]}
        began = time.monotonic()
        with chaos_on(work / "disk", "32M", 3) as (disk, net):
            chaos = Chaos(
                source.resolve(), work, disk, net, seed=asked.seed, faults=asked.faults,
                poison=poison, say=say, ways=WAYS, pause=(2.0, 8.0), timeout=25,
            )  # fmt: skip
            try:
                chaos.play()
                verdict = "all equal"
            except AssertionError as error:
                verdict = f"FAILED: {error}"
        say(f"seed {asked.seed}: {sum(chaos.faults.values())} faults in "
            f"{time.monotonic() - began:.0f} seconds, {len(coins)} coins")  # fmt: skip
        for kind, count in sorted(chaos.faults.items()):
            say(f"  {kind}: {count}")
        say(f"  runs that ended whole: {chaos.runs}; started again: {dict(chaos.resumed)}")
        say(verdict)
    return 0 if verdict == "all equal" else 1


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
