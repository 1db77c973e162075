"""Fits of GARCH(1,1) models with t errors, beside arch: time, likelihoods, accuracy.

    python benchmarks/volatility.py [--coins 10000] [--days 1000] [--sample 40] [--repeats 5]

Made-up coins have returns of a GARCH(1,1) with t errors, by plain NumPy. CryptoDask fits all coins
in one batch, in one thread; arch fits each coin of a sample, whose returns it is given in per cent,
as it recommends. Both are timed alternately on the sample, by seconds of the processor, after each
has fitted a few coins, so that imports and what Numba compiles are left out. One fit of arch is one
call of its model and its ``fit``, which is how coins are fitted with it; standard errors, which it
computes when they are read, are not.

Likelihoods at both optima are compared. A simple look at accuracy: mean and spread of parameters
beside the true ones.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np

TRUTH = {"omega": 0.05, "alpha": 0.1, "beta": 0.85, "nu": 5.0}
SCALE = 0.05
"""Standard deviation of returns, as logs."""
WORST = 1e-4
"""How much less likely than arch's a fit may be."""


def made_up(coins: int, days: int, seed: int = 0) -> np.ndarray:
    """Return log returns ``(n_coins, n_days)``."""
    rng = np.random.default_rng(seed)
    omega, alpha, beta, nu = TRUTH.values()
    h = np.full(coins, omega / (1 - alpha - beta))
    rows = np.empty((coins, days))
    for t in range(days):
        rows[:, t] = np.sqrt(h * (nu - 2) / nu) * rng.standard_t(nu, coins)
        h = omega + alpha * rows[:, t] ** 2 + beta * h
    return SCALE * rows


def by_cryptodask(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log likelihoods, and parameters as in `TRUTH`."""
    from cryptodask.volatility import Returns, VolatilityModel, fit

    returns = Returns(rows.ravel(), np.arange(len(rows) + 1) * rows.shape[1])
    fits = fit(VolatilityModel("garch", errors="t"), returns)
    if not fits.converged.all():
        print(f"{np.sum(~fits.converged)} of {len(fits)} fits did not converge")
    return fits.loglikelihood, fits.params / [SCALE**2, 1, 1, 1]


def by_arch(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log likelihoods of returns as they are, and parameters as in `TRUTH`."""
    from arch import arch_model

    likelihoods, params = [], []
    for row in rows:
        model = arch_model(
            100 * row, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False
        )  # fmt: skip
        result = model.fit(disp="off", show_warning=False)
        likelihoods.append(result.loglikelihood + len(row) * np.log(100))
        params.append(np.asarray(result.params) / [(100 * SCALE) ** 2, 1, 1, 1])
    return np.array(likelihoods), np.array(params)


def cpu(way: Callable[[], object]) -> float:
    """Return the seconds of the processor that something takes."""
    started = time.process_time()
    way()
    return time.process_time() - started


def compare(rows: np.ndarray) -> None:
    """Print differences of likelihoods; end if a fit is less likely than arch's."""
    ours, theirs = by_cryptodask(rows)[0], by_arch(rows)[0]
    apart = ours - theirs
    print(
        f"log likelihood less that of arch: least {apart.min():.1e}, median "
        f"{np.median(apart):.1e}, largest {apart.max():.1e}, n={len(rows)}"
    )
    if apart.min() < -WORST:
        raise SystemExit(f"a fit is less likely than arch's by more than {WORST:g}")


def print_accuracy(params: np.ndarray) -> None:
    """Print mean and spread of parameters."""
    for name, values in zip(TRUTH, params.T, strict=True):
        print(
            f"{name}: true {TRUTH[name]:g}, mean {values.mean():.4g}, median "
            f"{np.median(values):.4g}, standard deviation {values.std():.2g}"
        )


def main() -> None:
    """Time both ways alternately on a sample, then fit all coins."""
    from common import can_import, parse, print_ratio, print_versions, spread

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coins", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--sample", type=int, default=40, help="coins that arch fits, too")
    parser.add_argument("--repeats", type=int, default=5)
    options = parse(parser, coins=60, days=300, sample=4, repeats=2)
    warnings.filterwarnings("ignore", module="arch")
    print_versions()
    print(f"{options.coins:,} coins x {options.days:,} days, GARCH(1,1), t errors, no mean")
    rows = made_up(options.coins, options.days)
    sample = rows[: options.sample]
    by_cryptodask(rows[:3])
    if can_import(["arch"]):
        by_arch(rows[:3])
        seconds: dict[str, list[float]] = {"arch, a fit": [], "cryptodask, a fit": []}
        several = max(1, 200 // options.sample)  # a sample alone takes a few milliseconds
        for _ in range(options.repeats):
            seconds["arch, a fit"].append(cpu(lambda: by_arch(sample)) / len(sample))
            ours = cpu(lambda: [by_cryptodask(sample) for _ in range(several)])
            seconds["cryptodask, a fit"].append(ours / len(sample) / several)
        print_ratio(seconds, "arch, a fit", "cryptodask, a fit")
        compare(sample)
    rates = [options.coins / cpu(lambda: by_cryptodask(rows)) for _ in range(options.repeats)]
    print(f"cryptodask, {options.coins:,} coins: {spread(rates)} fits a second of one core")
    print_accuracy(by_cryptodask(rows)[1])


if __name__ == "__main__":
    main()
