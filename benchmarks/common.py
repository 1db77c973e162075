"""What every benchmark prints: versions, and the median and spread of alternating runs."""

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("cryptodask", "dask", "distributed", "keras", "tensorflow", "tensorflow-cpu", "numba",
            "numpy", "pandas", "scikit-learn", "statsforecast", "arch", "celery", "duckdb",
            "sqlalchemy")  # fmt: skip


def parse(parser: argparse.ArgumentParser, **tiny: object) -> argparse.Namespace:
    """Parse the command line; with ``--tiny``, these are the defaults of options.

    A tiny run takes seconds and shows that a benchmark works; its figures say nothing.
    """
    parser.add_argument("--tiny", action="store_true", help="see that it works, within seconds")
    if "--tiny" in sys.argv[1:]:
        parser.set_defaults(**tiny)
    return parser.parse_args()


def can_import(names: Sequence[str], python: str = sys.executable) -> list[str]:
    """Return the packages that an interpreter can import, and print those that it can't."""
    code = "import sys, importlib.util as u\nprint(*filter(u.find_spec, sys.argv[1:]))"
    done = subprocess.run([python, "-c", code, *names], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{python}: does not run; --peer-python names the peers' interpreter")
    there = done.stdout.split()
    for name in names:
        if name not in there:
            print(f"{name}: not installed, left out")
    return there


def print_versions() -> None:
    """Print the interpreter, the machine's kind and the packages that matter."""
    print(f"python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    for name in PACKAGES:
        try:
            print(f"  {name} {version(name)}")
        except PackageNotFoundError:
            continue


def alternate(
    ways: Mapping[str, Callable[[], object]],
    repeats: int,
    before: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Time several ways in turn, so that a noisy neighbour disturbs all of them alike.

    ``before`` is called ahead of each run and is not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            before()
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
            print(f"  {name}: {seconds[name][-1]:.3f} s", flush=True)
    return seconds


def print_ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> None:
    """Print median and spread of both, and of the ratio of each pair of neighbouring runs."""
    for name in (slow, fast):
        print(f"{name}: {spread(seconds[name], ' s')}")
    ratios = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    print(f"{slow} / {fast}: {spread(ratios)}")


def spread(values: list[float], unit: str = "") -> str:
    """Return median, lowest, highest and number."""
    middle = statistics.median(values)
    return (
        f"median {middle:.4g}{unit} (from {min(values):.4g} to {max(values):.4g}, n={len(values)})"
    )
