"""Memory of one process over a thousand LSTM fits, beside the usual loop of Keras models.

    python benchmarks/leak.py [--fits 1000] [--default-fits 100] [--keras-fits 100]

Each in a process of its own, with the environment that Dask gives its workers, on made-up coins of
300 days (a thousand days for the default options), ten coins a call:

- ``cryptodask, small``: ``run_model`` with a window of 10 and one layer of 8 units, 1,000 fits;
- ``cryptodask, default``: the same with the default options, 100 fits;
- ``keras loop``: what one writes by hand (``per_coin`` of ``lstm_per_coin.py``): a model is built,
  compiled, fitted and called for every coin, without ``clear_session``.

Told are resident memory and, after the first hundred fits (the first tenth, of less than 1,000),
the slope in MB for 1,000 fits, by least squares over readings ten fits apart. Linux only.
"""

import argparse
import os
import time
from typing import Any

import numpy as np
from common import parse, print_versions
from processes import Others, in_process, memory

from cryptodask.models import create_model, run_model
from cryptodask.prices.panels import to_panel
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.records import Panel

HORIZON, AT_ONCE, SHORT, LONG = 10, 10, 300, 1_000
SMALL = {"window": 10, "units": "8"}
# As `dask worker` sets it for the workers that it starts.
OF_DASK = {"MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def panels(days: int) -> list[Panel]:
    """Make the coins of some calls, over and over again the same."""
    whole = to_panel(synthetic_prices(10 * AT_ONCE, days, short=[days] * (10 * AT_ONCE)))
    return [whole.take(range(start, start + AT_ONCE)) for start in range(0, len(whole), AT_ONCE)]


def by_cryptodask(fits: int, days: int, options: dict[str, object]) -> list[tuple[int, float]]:
    """Fit coins as a worker does, and return MB after so many fits."""
    model, batches = create_model("lstm", **options), panels(days)
    seen = []
    for done in range(0, fits, AT_ONCE):
        result = run_model(model, batches[done // AT_ONCE % len(batches)], HORIZON, seed=done)
        if result.failures:
            raise SystemExit(f"coins failed: {result.failures[0]}")
        seen.append((done + AT_ONCE, memory(what="VmRSS")))
    return seen


def by_keras(fits: int, days: int) -> list[tuple[int, float]]:
    """Fit coins as one does by hand, and return MB after so many fits."""
    from lstm_per_coin import per_coin

    coins = [closes for panel in panels(days) for _, closes, _ in panel]
    seen = []
    for done in range(1, fits + 1):
        per_coin(coins[done % len(coins)])
        if done % AT_ONCE == 0 or done == fits:
            seen.append((done, memory(what="VmRSS")))
    return seen


def show(name: str, seen: list[tuple[int, float]], seconds: float, others: Others) -> None:
    """Print readings and slope."""
    fits, sizes = np.array(seen).T
    first = min(100, int(fits[-1]) // 10)
    each = max(1, len(seen) // 10)
    print(f"{name}: {int(fits[-1]):,} fits in {seconds:.0f} s; {others}")
    shown = [pair for pair in seen[:-1] if pair[0] % (each * AT_ONCE) == 0] + seen[-1:]
    print("  MB after N fits:", ", ".join(f"{int(n):,}: {size:.0f}" for n, size in shown))
    later = fits >= first
    slope = 1000 * np.polyfit(fits[later], sizes[later], 1)[0] if later.sum() > 2 else np.nan
    grown = sizes[-1] - sizes[later][0]
    print(
        f"  after the first {first}: {grown:+.1f} MB, slope {slope:+.1f} MB a 1,000 fits",
        flush=True,
    )


def main() -> None:
    """Parse, run one after the other, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fits", type=int, default=1_000)
    parser.add_argument("--default-fits", type=int, default=100)
    parser.add_argument("--keras-fits", type=int, default=100)
    args = parse(parser, fits=20, default_fits=10, keras_fits=1)
    print_versions()
    os.environ.update(OF_DASK)  # for the processes that are started here
    steps: dict[str, tuple[Any, ...]] = {
        "cryptodask, small": (by_cryptodask, args.fits, SHORT, SMALL),
        "cryptodask, default": (by_cryptodask, args.default_fits, LONG, {}),
        "keras loop": (by_keras, args.keras_fits, SHORT),
    }
    for name, (step, fits, *how) in steps.items():
        if not fits:
            continue
        started = time.perf_counter()
        with Others() as others:
            seen = in_process(step, fits, *how)
        show(name, seen, time.perf_counter() - started, others)


if __name__ == "__main__":
    main()
