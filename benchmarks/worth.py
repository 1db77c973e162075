"""What forecasts and momentum were worth after costs, on real prices, against holding.

    python benchmarks/worth.py SOURCE [--horizon 5] [--origins 60] [--fee 0.002] [--slippage 0.003]
                               [--participation 0.01] [--cash 100000] [--resamples 2000]

Models are backtested; rules buy with shared cash what they expect to rise by more than buying and
selling costs, in equal parts, and momentum the ten coins that rose most in 30 bars. Orders are
filled at the next open. Printed are figures of `cryptodask.trading`, and for each rule the mean of
its daily log return less that of holding all coins in equal parts, a year, with a 95% interval by
the stationary block bootstrap (Politis and Romano 1994) with blocks of 10 bars on average; and the
Sharpe ratio deflated by the number of rules. Prices of coins that are listed today leave out those
that are gone, which flatters all rules and holding alike: nothing here says what tomorrow brings.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import parse, print_versions

MODELS = ["naive", "ridge", "auto"]
RULES = [*MODELS, "ridge:top=10", "auto:top=10", "ridge:probability=0.6,size=parity,stop=0.2",
         "momentum:top=10"]  # fmt: skip
BLOCK = 10


def resampled(differences: np.ndarray, resamples: int, seed: int = 0) -> np.ndarray:
    """Return means of stationary block bootstraps, ``(resamples,)``."""
    rng = np.random.default_rng(seed)
    n = len(differences)
    begins = rng.random((resamples, n)) < 1 / BLOCK
    begins[:, 0] = True
    places = rng.integers(0, n, (resamples, n))
    for i in range(1, n):
        places[:, i] = np.where(begins[:, i], places[:, i], (places[:, i - 1] + 1) % n)
    means: np.ndarray = differences[places].mean(axis=1)
    return means


def main() -> None:
    """Backtest, simulate, and print figures and intervals."""
    from cryptodask import backtest
    from cryptodask.cli.simulate import print_simulation
    from cryptodask.trading import Account, Costs, simulate
    from cryptodask.trading.parts import CASH, EQUAL

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--horizon", type=int, default=5)
    parser.add_argument("--origins", type=int, default=60)
    parser.add_argument("--fee", type=float, default=0.002)
    parser.add_argument("--slippage", type=float, default=0.003)
    parser.add_argument("--participation", type=float, default=0.01)
    parser.add_argument("--cash", type=float, default=100_000.0)
    parser.add_argument("--resamples", type=int, default=2_000)
    options = parse(parser, origins=4, resamples=50)
    print_versions()
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "run"))
        backtest(str(options.source), MODELS, options.horizon, origins=options.origins, out=out,
                 progress=False)  # fmt: skip
        result = simulate(
            out, rules=RULES, account=Account(cash=options.cash, shared=True),
            costs=Costs(fee=options.fee, slippage=options.slippage,
                        participation=options.participation),
        )  # fmt: skip
    print_simulation(result, options.cash)
    curves = {rule: rows["equity"].to_numpy() for rule, rows in result.equity.groupby("rule")}
    returns = {rule: np.diff(np.log(curve)) for rule, curve in curves.items()}
    print(f"log return a year less that of holding, {len(returns[CASH])} bars:")
    for rule in result.figures["rule"][result.figures["rule"] != EQUAL]:
        difference = returns[rule] - returns[EQUAL]
        low, high = np.quantile(resampled(difference, options.resamples), [0.025, 0.975]) * 365
        verdict = "above" if low > 0 else "below" if high < 0 else "no difference"
        print(
            f"  {rule}: {difference.mean() * 365:+.2f} (95%: {low:+.2f} to {high:+.2f}), {verdict}"
        )


if __name__ == "__main__":
    sys.exit(main())
