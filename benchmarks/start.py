"""From the shell to a forecast: the whole process of a command beside a statsforecast script.

    python benchmarks/start.py FOLDER [--repeats 5] [--peer-python PATH]

Both read the files of FOLDER, forecast ten days of each coin by its last close, and print the first
rows, each in a new process, alternately: imports count. The script leaves out what pandas can't
read as the date in a file's first row, which is its fastest way. A wrong coin and the help are
timed, too. Seconds of the processor are printed besides, since they change less where other work
runs on the machine.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from common import alternate, can_import, parse, print_ratio, print_versions, spread

SCRIPT = """
import sys
from pathlib import Path

import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import Naive

frames = []
for path in sorted(Path(sys.argv[1]).glob("*.csv")):
    rows = pd.read_csv(path).rename(columns=str.lower)
    if "close" not in rows.columns:
        continue
    days = pd.to_datetime(rows["date"], errors="coerce")  # the form of the first row
    closes = pd.to_numeric(rows["close"], errors="coerce")
    frames.append(pd.DataFrame({"unique_id": path.stem, "ds": days, "y": closes}).dropna())
prices = pd.concat(frames).sort_values(["unique_id", "ds"])
print(StatsForecast([Naive()], freq="D").forecast(df=prices, h=10).head(20))
"""
COMMAND = [sys.executable, "-m", "cryptodask.cli"]
OURS, THEIRS = "cryptodask forecast", "statsforecast script"


def used(words: list[str], fails: bool = False) -> float:
    """Run a process to its end, and return its seconds of the processor."""
    before = os.times()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if (done.returncode != 0) is not fails:
        raise SystemExit(f"{' '.join(words[:4])} ended with {done.returncode}:\n{done.stderr}")
    after = os.times()
    return after.children_user + after.children_system - before[2] - before[3]


def main() -> None:
    """Run both alternately, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable)
    args = parse(parser, repeats=2)
    print_versions()
    compare(str(args.folder), args.repeats, args.peer_python)


def compare(folder: str, repeats: int, peer: str) -> None:
    """Time the command, the script, a wrong coin and the help."""
    ways = {OURS: [*COMMAND, "forecast", folder, "--model", "naive"]}
    if can_import(["statsforecast"], peer):
        ways[THEIRS] = [peer, "-c", SCRIPT, folder]
    wrong = [*COMMAND, "forecast", folder, "--coins", "no such coin"]
    helps = [*COMMAND, "forecast", "--help"]
    cpu: dict[str, list[float]] = {name: [] for name in (*ways, "a wrong coin", "--help")}
    calls = {
        **{name: lambda n=name, w=words: cpu[n].append(used(w)) for name, words in ways.items()},
        "a wrong coin": lambda: cpu["a wrong coin"].append(used(wrong, fails=True)),
        "--help": lambda: cpu["--help"].append(used(helps)),
    }
    seconds = alternate(calls, repeats)
    if THEIRS in ways:
        print_ratio(seconds, OURS, THEIRS)
        print("of the processor:")
        print_ratio(cpu, OURS, THEIRS)
    for name in ("a wrong coin", "--help"):
        print(f"{name}: {spread(seconds[name], ' s')}; of the processor {spread(cpu[name], ' s')}")


if __name__ == "__main__":
    main()
