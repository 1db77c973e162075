"""What every benchmark prints: versions, and the median and spread of alternating runs."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("cryptodask", "dask", "distributed", "keras", "tensorflow", "tensorflow-cpu", "numba",
            "numpy", "pandas", "scikit-learn", "statsforecast")  # fmt: skip


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
