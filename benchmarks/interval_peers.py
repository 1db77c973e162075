"""What others make of the same closes: quantiles of log prices some bars ahead."""

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from cryptodask.features.rows import rows_on
from cryptodask.records import DateArray, FloatArray, IntArray, Panel

DECAY = 0.94
"""Of a moving average of squared returns (RiskMetrics, 1996)."""

ARCH_MODELS = {
    "GARCH-t": {"vol": "GARCH", "p": 1, "o": 0, "q": 1},
    "GJR-t": {"vol": "GARCH", "p": 1, "o": 1, "q": 1},
    "EGARCH-t": {"vol": "EGARCH", "p": 1, "o": 1, "q": 1},
    "HAR-t": {"vol": "HARCH", "p": [1, 5, 22]},
}
"""Options of `arch.arch_model`; returns have mean 0, which suits them better than a fitted one."""

PATHS = 1000
"""Simulated by `arch` for each coin and origin."""

Series = Iterator[tuple[int, int, FloatArray]]
"""Coin, origin, and the logs of the closes up to it."""


def dated_rows(panel: Panel, dates: DateArray) -> IntArray:
    """Return the row of each coin on each date, ``(n_coins, n_dates)``; -1 without one."""
    return rows_on(panel, np.broadcast_to(dates, (len(panel), len(dates))))


def known_logs(panel: Panel, cutoffs: DateArray, least: int) -> Series:
    """Yield the logs of all closes up to each origin, of coins with that many rows."""
    rows = dated_rows(panel, cutoffs)
    for coin, start in enumerate(panel.indptr[:-1]):
        for origin in np.flatnonzero(rows[coin] - start + 1 >= least):
            yield coin, int(origin), np.log(panel.values[start : rows[coin, origin] + 1])


def normal_quantiles(variances: FloatArray, levels: FloatArray) -> FloatArray:
    """Return quantiles around 0 of variances of each step, ``(horizon, n_levels)``."""
    from scipy.stats import norm

    return np.sqrt(np.cumsum(variances))[:, None] * norm.ppf(levels)


def ewma_quantiles(logs: FloatArray, horizon: int, levels: FloatArray) -> FloatArray:
    """Return normal quantiles of a moving average of squared returns, ``(horizon, n_levels)``."""
    squares = np.diff(logs) ** 2
    weights = DECAY ** np.arange(len(squares))[::-1]
    return normal_quantiles(np.full(horizon, np.average(squares, weights=weights)), levels)


def arch_quantiles(
    logs: FloatArray, horizon: int, levels: FloatArray, options: dict[str, object]
) -> FloatArray:
    """Return quantiles of simulated paths of a fitted model of `arch`, ``(horizon, n_levels)``."""
    from arch import arch_model

    returns = np.diff(logs)
    scale = returns.std() or 1.0
    model = arch_model(returns / scale, mean="Zero", dist="t", rescale=False, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model.fit(disp="off", show_warning=False)
        draw = model.distribution.simulate(fitted.params.to_numpy()[-1:])
        forecast = fitted.forecast(
            horizon=horizon, method="simulation", simulations=PATHS, reindex=False, rng=draw
        )
        # Some paths explode, and their quantiles are NaN, with a warning each.
        paths = np.cumsum(forecast.simulations.values[0] * scale, axis=1)
        return np.quantile(paths, levels, axis=0).T


def by_arch(
    panel: Panel, cutoffs: DateArray, horizon: int, levels: FloatArray, least: int
) -> dict[str, FloatArray]:
    """Return quantiles of log prices of the models of `arch`, and of a moving average.

    Returns
    -------
    dict of str to ndarray of float64, ``(n_coins, n_origins, horizon, n_levels)``
        By model; NaN where it failed or saw too few rows.
    """
    ways: dict[str, Callable[[FloatArray], FloatArray]] = {
        "EWMA": lambda logs: ewma_quantiles(logs, horizon, levels)
    }
    try:
        import arch  # noqa: F401
    except ImportError:
        print("arch is not installed: left out")
    else:
        for name, options in ARCH_MODELS.items():
            ways[f"arch {name}"] = lambda logs, options=options: arch_quantiles(
                logs, horizon, levels, options
            )
    shape = (len(panel), len(cutoffs), horizon, len(levels))
    found = {name: np.full(shape, np.nan) for name in ways}
    failed = dict.fromkeys(ways, 0)
    for coin, origin, logs in known_logs(panel, cutoffs, least):
        for name, way in ways.items():
            try:
                found[name][coin, origin] = logs[-1] + way(logs)
            except Exception:  # noqa: BLE001 - a peer's failure is counted, and it is left out there
                failed[name] += 1
    for name, count in failed.items():
        if count:
            print(f"{name}: failed {count} times")
    return found


def by_statsforecast(
    panel: Panel, cutoffs: DateArray, horizon: int, levels: FloatArray, least: int
) -> dict[str, FloatArray]:
    """Return the same of statsforecast's models, fitted to logs of prices, and to returns.

    Its ARCH and GARCH forecast the variance of each step's return, which add up over the steps.
    """
    try:
        from statsforecast import StatsForecast
        from statsforecast.models import ARCH, GARCH, AutoETS, Naive, RandomWalkWithDrift
    except ImportError:
        print("statsforecast is not installed: left out")
        return {}
    import pandas as pd

    of_prices: Sequence[object] = [Naive(), RandomWalkWithDrift(), AutoETS()]
    of_returns: Sequence[object] = [ARCH(1), GARCH(1, 1)]
    shape = (len(panel), len(cutoffs), horizon, len(levels))
    found = {repr(m): np.full(shape, np.nan) for m in (*of_prices, *of_returns)}
    sides = [(round(200 * abs(level - 0.5), 6), "lo" if level < 0.5 else "hi") for level in levels]
    asked = sorted({side for side, _ in sides if side})
    by_origin: dict[int, list[tuple[int, FloatArray]]] = {}
    for coin, origin, logs in known_logs(panel, cutoffs, least):
        by_origin.setdefault(origin, []).append((coin, logs))
    for origin, series in by_origin.items():
        frames = [
            pd.DataFrame({"unique_id": coin, "ds": np.arange(len(logs)), "y": logs})
            for coin, logs in series
        ]
        prices = pd.concat(frames)
        result = StatsForecast(list(of_prices), freq=1).forecast(
            df=prices, h=horizon, level=[int(a) if a == int(a) else a for a in asked]
        )
        coins = result["unique_id"].to_numpy()[::horizon]
        for model in of_prices:
            names = [
                f"{model!r}-{side}-{int(a) if a == int(a) else a}" if a else repr(model)
                for a, side in sides
            ]
            values = result[names].to_numpy()
            found[repr(model)][coins, origin] = values.reshape(-1, horizon, len(levels))
        moves = prices.assign(y=prices.groupby("unique_id")["y"].diff()).dropna()
        try:
            result = StatsForecast(list(of_returns), freq=1).forecast(
                df=moves, h=horizon, level=[95]
            )
        except Exception as error:  # noqa: BLE001 - a peer's failure is printed, and it is left out
            print(f"statsforecast's ARCH and GARCH failed: {error}")
            continue
        coins = result["unique_id"].to_numpy()[::horizon]
        last = np.array([dict(series)[coin][-1] for coin in coins])
        for model in of_returns:
            # Their bounds (2.0.3) are the mean and 1.96 times the variance, not its root.
            width = (result[f"{model!r}-hi-95"] - result[f"{model!r}-lo-95"]).to_numpy()
            variances = width.reshape(-1, horizon) / 2 / 1.96
            for coin, start, variance in zip(coins, last, variances, strict=True):
                found[repr(model)][coin, origin] = start + normal_quantiles(variance, levels)
    return {f"statsforecast {name}": values for name, values in found.items()}
