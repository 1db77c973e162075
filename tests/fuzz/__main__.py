"""``python -m tests.fuzz``: damage what is read, for so many seconds; see ``make fuzz``."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.play import Fuzz


def main() -> int:
    """Print the seed, what was read and refused, and each promise that was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--case", type=int, help="play this case alone, and raise what it raises")
    asked = parser.parse_args()
    say(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory() as place:
        fuzz = Fuzz(Path(place), asked.seed)
        if asked.case is not None:
            fuzz.play(asked.case)
            return 0
        fuzz.run(asked.seconds)
    for name, (read, refused) in fuzz.counts.items():
        say(f"{name}: read {read}, refused {refused}")
    for case, error in fuzz.faults.items():
        say(f"FAULT, --seed {asked.seed} --case {case}: {error}")
    return 1 if fuzz.faults else 0


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
