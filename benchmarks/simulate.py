"""A simulation of many coins, beside vectorbt: time, memory, and whether both say the same.

    python benchmarks/simulate.py [--coins 10000] [--days 1500] [--repeats 5]
                                  [--peer-python PATH] [--keep FILE]

vectorbt lives in an environment of its own, whose interpreter is PATH:

    python3.11 -m venv peers
    peers/bin/pip install vectorbt

Made-up coins have opens and closes; on a fifth of all days, each decides what share of its own cash
it should be: nothing, a half or all. What is decided at a close is filled at the next open, with a
fee of 0.1% and slippage of 0.2%. Timed are the simulation, its fills and its equity by coin and
day; each run is a process, which runs a small market first, so that imports and what Numba compiles
are left out on both sides. Memory is what the peak of that process grows by while it is timed,
inputs left out. CryptoDask uses all cores, vectorbt has one thread, so that seconds of the
processor are printed beside those of the clock. Fills and equity are compared, and a difference
above `TOLERANCES` is an error.

``--keep`` writes what vectorbt makes of 40 coins and 1,500 days, for the tests. vectorbt is under
Apache 2.0 with the Commons Clause; nothing of it is part of this project.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

OURS, PEER = "cryptodask", "vectorbt"
FEE, SLIPPAGE, CASH = 0.001, 0.002, 1_000.0
TOLERANCES = {"equity": 1e-9, "fills": 1e-8}
"""vectorbt drops what is a billionth of the cash, which adds up in a few of millions of fills."""
KEYS = [0, 1, 5]
"""Columns of fills that are no amounts: coin, day, side."""


def made_up(coins: int, days: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return opens, closes and targets, each ``(n_days, n_coins)``."""
    rng = np.random.RandomState(seed)  # whose numbers no release of NumPy changes
    shape = (days, coins)
    close = 100 * np.exp(np.cumsum(0.05 * (rng.random_sample(shape) - 0.5), axis=0))
    opens = close * np.exp(0.02 * (rng.random_sample(shape) - 0.5))
    weights = np.floor(rng.random_sample(shape) * 3) / 2
    return {"open": opens, "close": close,
            "target": np.where(rng.random_sample(shape) < 0.2, weights, np.nan)}  # fmt: skip


def by_cryptodask(data: dict[str, np.ndarray]) -> tuple[np.ndarray, Any]:
    """Return equity by coin and day, and the rows of fills."""
    from cryptodask.trading import Account, Costs, Market, simulate_targets

    days, coins = data["close"].shape
    dates = np.datetime64("2020-01-01", "s") + np.arange(days) * np.timedelta64(86_400, "s")
    names = tuple(f"{i:06}" for i in range(coins))
    outcome = simulate_targets(
        Market(names, dates, data["close"], data["open"]), data["target"],
        Account(cash=CASH * coins), Costs(fee=FEE, slippage=SLIPPAGE),
    )  # fmt: skip
    return outcome.equity, outcome.fill_rows


def rows_of(fills: Any) -> np.ndarray:
    """Return the fills of `by_cryptodask` as numbers, by coin and day."""
    rows = np.column_stack(
        [
            fills["coin"], fills["date"], np.abs(fills["quantity"]), fills["price"], fills["fee"],
            fills["quantity"] < 0,
        ]
    ).astype(float)  # fmt: skip
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def by_vectorbt(data: dict[str, np.ndarray]) -> tuple[np.ndarray, Any]:
    """Return equity by coin and day, and the records of orders."""
    import pandas as pd
    import vectorbt

    close, opens, target = (pd.DataFrame(data[name]) for name in ("close", "open", "target"))
    portfolio = vectorbt.Portfolio.from_orders(
        close, size=target.shift(1), size_type="targetpercent", price=opens,
        val_price=close.shift(1).bfill(), fees=FEE, slippage=SLIPPAGE, init_cash=CASH,
    )  # fmt: skip
    return portfolio.value().to_numpy(), portfolio.orders.records


def records_of(records: Any) -> np.ndarray:
    """Return the records of `by_vectorbt` as numbers, by coin and day."""
    rows = records[["col", "idx", "size", "price", "fees", "side"]].to_numpy(dtype=float)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def peak() -> float:
    """Return the most memory that this process had, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def child(way: str, source: Path, out: Path | None) -> None:
    """Run one way in this process, and print its seconds and megabytes as JSON."""
    run, rows = {OURS: (by_cryptodask, rows_of), PEER: (by_vectorbt, records_of)}[way]
    run(made_up(3, 50))
    with np.load(source) as file:
        data = {name: file[name] for name in file.files}
    before, started, worked = peak(), time.perf_counter(), time.process_time()
    equity, fills = run(data)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    grown = peak() - before
    if out is not None:
        np.savez(out, equity=equity, fills=rows(fills))
    print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": grown}))


def measure(python: str, way: str, source: Path, out: Path | None = None) -> dict[str, float]:
    """Run one way in its process."""
    words = [python, __file__, "--child", way, str(source), *([str(out)] if out else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def without_dust(fills: np.ndarray) -> np.ndarray:
    """Return the fills of more than a millionth of the first cash.

    vectorbt takes what is left of cash for nothing where it is a billionth of it; here an order
    must be more than a billionth of the equity. So each has fills that the other has not.
    """
    kept = fills[fills[:, 2] * fills[:, 3] > 1e-6 * CASH]
    print(f"{len(fills) - len(kept)} of {len(fills):,} fills are dust, left out")
    return kept


def compare(ours: Path, theirs: Path) -> None:
    """Print the largest relative difference of equity and fills; end if there is a larger one."""
    with np.load(ours) as first, np.load(theirs) as second:
        a, b = ({"equity": d["equity"], "fills": without_dust(d["fills"])} for d in (first, second))
        if a["fills"].shape != b["fills"].shape:
            raise SystemExit(f"fills: {len(a['fills']):,} and {len(b['fills']):,} of vectorbt")
        if not np.array_equal(a["fills"][:, KEYS], b["fills"][:, KEYS]):
            raise SystemExit("fills: of other coins, days or sides than vectorbt's")
        # As money, beside the equity: vectorbt drops what is a billionth of the cash.
        money = [np.column_stack([d[:, 2] * d[:, 3], d[:, 4]]) for d in (a["fills"], b["fills"])]
        worth = b["equity"][b["fills"][:, 1].astype(int), b["fills"][:, 0].astype(int)][:, None]
        largest = {
            "equity": float((np.abs(a["equity"] - b["equity"]) / b["equity"]).max()),
            "fills": float((np.abs(money[0] - money[1]) / np.maximum(money[1], worth)).max()),
        }
        print(f"{len(a['fills']):,} fills; largest relative difference: equity "
              f"{largest['equity']:.1e}, fills {largest['fills']:.1e}")  # fmt: skip
    for name, most in TOLERANCES.items():
        if largest[name] > most:
            raise SystemExit(f"{name}: differs by more than {most:g}")


def keep(python: str, target: Path) -> None:
    """Write what vectorbt makes of 40 coins: equity on each 50th day, fills of 3, sums of all."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **made_up(40, 1_500))
        measure(python, PEER, source, out)
        with np.load(out) as file:
            equity, fills = file["equity"], file["fills"]
    notional = fills[:, 2] * fills[:, 3]
    weighed = {"n": None, "quantity": fills[:, 2], "notional": notional, "fee": fills[:, 4]}
    sums = {k: np.bincount(fills[:, 0].astype(int), v) for k, v in weighed.items()}
    np.savez_compressed(target, equity=equity[::50], fills=fills[fills[:, 0] < 3], **sums)


def main() -> None:
    """Run both ways alternately, and print what they took."""
    from common import can_import, parse, print_ratio, print_versions, spread

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coins", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=1_500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    options = parse(parser, coins=20, days=100, repeats=2)
    print_versions()
    ways = {OURS: sys.executable}
    if can_import([PEER], options.peer_python):
        ways[PEER] = options.peer_python
        code = (
            "import vectorbt, numpy, numba\nfor m in (vectorbt, numpy, numba): print(m.__version__)"
        )
        words = [options.peer_python, "-c", code]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        print("peer: vectorbt {}, numpy {}, numba {}".format(*done.stdout.split()))
        if options.keep is not None:
            keep(options.peer_python, options.keep)
    print(f"{options.coins:,} coins x {options.days:,} days")
    seconds, cpu, memory = ({way: list[float]() for way in ways} for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.npz")
        np.savez(source, **made_up(options.coins, options.days))
        for i in range(options.repeats):
            for way, python in ways.items():
                out = Path(folder, f"{way}.npz") if i == 0 and PEER in ways else None
                done = measure(python, way, source, out)
                seconds[way].append(done["seconds"])
                cpu[way].append(done["cpu"])
                memory[way].append(done["memory"])
                print(f"  {way}: {done['seconds']:.3f} s, {done['memory']:.0f} MB", flush=True)
            if i == 0 and PEER in ways:
                compare(Path(folder, f"{OURS}.npz"), Path(folder, f"{PEER}.npz"))
    for way in ways:
        print(f"{way}, memory: {spread(memory[way], ' MB')}")
    if PEER in ways:
        print_ratio(seconds, PEER, OURS)
        print("seconds of the processor, which other work on the machine changes less:")
        print_ratio(cpu, PEER, OURS)
    else:
        print(f"{OURS}: {spread(seconds[OURS], ' s')}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]) if sys.argv[4:] else None)
    else:
        main()
