"""From prices to the distribution of moves, and to the residuals of the same days.

Partitions are read one after the other. What is kept of each is its last closes, its moves at the
past dates from which intervals are made, and residuals: arrays of a few hundred numbers a coin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cryptodask.errors import ConstantSeriesError, InputError, SeriesError, TooShortError
from cryptodask.evaluate.intervals.bounds import calibrate
from cryptodask.evaluate.intervals.cohorts import Grid, Intervals, choose_cohorts
from cryptodask.evaluate.intervals.conformal import Conformal
from cryptodask.evaluate.intervals.look_back import Cohort, look_back
from cryptodask.evaluate.intervals.past_errors import PastErrors
from cryptodask.evaluate.intervals.pooling import (
    PooledErrors,
    Pools,
    count_errors,
    error_quantiles,
    join_pools,
    summarise,
)
from cryptodask.evaluate.intervals.volatility import LEAST, latest_spreads, spreads
from cryptodask.features.lags import log_returns
from cryptodask.features.rows import rows_on
from cryptodask.models import create_model, run_model
from cryptodask.prices import CryptoLoader
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.table.price_table import PriceTable
from cryptodask.records import CoinFailure, DateArray, FloatArray, IntArray, Panel
from cryptodask.risk.distribution import MoveDistribution
from cryptodask.runs.session import Session
from cryptodask.worker.read import coins_without_rows, read_panel

NAME = "risk"
"""What failures are of, and random numbers."""

RESIDUAL_DATES = 500
"""Bars, up to the last one, whose residuals paths are drawn from: coins of long ago moved together
in another way."""


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices to read, partition by partition.

    Attributes
    ----------
    loader : CryptoLoader
    coins : list of str
        With one row at least.
    row_filter : RowFilter
        Which rows are read.
    """

    loader: CryptoLoader
    coins: list[str]
    row_filter: RowFilter

    def panels(self) -> Iterator[tuple[Panel, pd.DataFrame, list[CoinFailure]]]:
        """Yield the panel of each partition, findings of lost rows, and coins without a row."""
        for partition in self.loader.partitions(self.coins):
            panel, lost, _ = read_panel(partition, self.row_filter, past=True)
            yield panel, lost, coins_without_rows(partition, panel, NAME)

    def date_span(self) -> tuple[np.datetime64, DateArray]:
        """Return the first date of all rows, and the last one of each coin, rising.

        Raises
        ------
        InputError
            There are no rows.
        """
        if isinstance(self.loader.source, PriceTable):
            return Session(self.loader).date_span(self.coins, self.row_filter)
        spans = [
            (panel.dates.min(), panel.last_dates) for panel, _, _ in self.panels() if len(panel)
        ]
        if not spans:
            raise InputError("risk: none of the coins has a row in the days asked for")
        lasts = np.concatenate([last for _, last in spans]).astype("datetime64[s]")
        return min(first for first, _ in spans), np.sort(lasts)


@dataclass(frozen=True, eq=False)
class Part:
    """What is kept of one partition.

    Attributes
    ----------
    coins : tuple of str
        With a forecast of naive, ``(n_coins,)``.
    cutoffs, closes : ndarray, ``(n_coins,)``
        Of the last rows; closes in the quote currency.
    spreads : ndarray of float64, ``(n_coins, horizon)``
        Expected absolute log returns from there.
    returns : ndarray of int64, ``(n_coins,)``
        Log returns that each coin has.
    past : list of PastErrors
    residuals : ndarray of float64, ``(n_coins, n_dates)``
        Moves of one bar over the spread expected of it; NaN where a coin has none.
    """

    coins: tuple[str, ...]
    cutoffs: DateArray
    closes: FloatArray
    spreads: FloatArray
    returns: IntArray
    past: list[PastErrors]
    residuals: FloatArray


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is known of the moves of coins.

    Attributes
    ----------
    moves : MoveDistribution
        Coins by name.
    residual_dates : ndarray of datetime64[s], ``(n_dates,)``
        Rising; none if residuals were not asked for.
    residuals : ndarray of float64, ``(n_coins, n_dates)``
        Moves of the bar up to each date over the spread that was expected of it.
    evidence : tuple of int
        Past moves of one bar that the distribution is made from, and of how many coins at most.
    failures : list of CoinFailure
        Coins without a distribution.
    lost : DataFrame
        Findings of rows that could not be read.
    """

    moves: MoveDistribution
    residual_dates: DateArray
    residuals: FloatArray
    evidence: tuple[int, int]
    failures: list[CoinFailure] = field(default_factory=list)
    lost: pd.DataFrame = field(default_factory=pd.DataFrame)


def estimate(prices: Prices, horizon: int, levels: FloatArray, with_residuals: bool) -> Estimate:
    """Estimate the distribution of moves from the last row of each coin.

    Parameters
    ----------
    prices : Prices
    horizon : int
        In bars.
    levels : ndarray of float64, ``(n_levels,)``
        Of quantiles, among them 1/2: the share below each, rising.
    with_residuals : bool
        Whether residuals are kept, for paths.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        There are no rows, or no coin has a distribution.
    """
    first, lasts = prices.date_span()
    step = Session(prices.loader).step
    grids = choose_cohorts(first, lasts, step, Intervals())
    back = min(RESIDUAL_DATES, int((lasts[-1] - first) // step)) if with_residuals else 0
    dates = lasts[-1] - np.arange(back)[::-1] * step
    parts, failures, lost = [], [], []
    for panel, findings, empty in prices.panels():
        part, failed = read_part(panel, horizon, grids, dates)
        parts.append(part)
        failures += [*empty, *failed]
        lost.append(findings)
    pooled, counts = _pool(parts)
    moves, kept = _place(parts, pooled, counts, levels, failures, step)
    residuals = np.concatenate([part.residuals for part in parts])[kept]
    some = [findings for findings in lost if len(findings)]
    every = pd.concat(some, ignore_index=True) if some else lost[0]
    pools = pooled.summaries.values()
    evidence = sum(pool.errors for pool in pools), max(pool.coins for pool in pools)
    return Estimate(moves, dates, residuals, evidence, failures, every)


def read_part(
    panel: Panel, horizon: int, grids: Sequence[Grid], dates: DateArray
) -> tuple[Part, list[CoinFailure]]:
    """Return what is kept of a panel, and why some of its coins have nothing.

    Parameters
    ----------
    panel : Panel
    horizon : int
        In bars.
    grids : sequence of Grid
        Past dates of each cohort.
    dates : ndarray of datetime64[s], ``(n_dates,)``
        Of residuals.
    """
    naive = create_model("naive")
    forecast = run_model(naive, panel, horizon)
    cohorts = [Cohort(grid, naive, grid.origins) for grid in grids]
    past = look_back(panel, forecast, cohorts, 0, window=None, refit=1)
    place = {coin: i for i, coin in enumerate(panel.coins)}
    sound = panel.take([place[coin] for coin in forecast.coins])
    latest = latest_spreads(sound, horizon) if len(sound) else np.empty((0, horizon))
    _, linked = log_returns(sound)
    total = np.concatenate([[0], np.cumsum(linked)])
    part = Part(
        forecast.coins, forecast.cutoffs, forecast.values[:, 0], latest,
        np.diff(total[sound.indptr]), past, residuals_on(sound, dates),
    )  # fmt: skip
    failed = [CoinFailure(f.coin, NAME, f.exception, f.message) for f in forecast.failures]
    return part, failed


def residuals_on(panel: Panel, dates: DateArray) -> FloatArray:
    """Return the moves of the bars up to some dates, over the spreads expected of them.

    Parameters
    ----------
    panel : Panel
    dates : ndarray of datetime64[s], ``(n_dates,)``

    Returns
    -------
    ndarray of float64, ``(n_coins, n_dates)``
        NaN where a coin has no row on the date or the one before, or had no spread above 0.
    """
    if not len(dates) or not len(panel):
        return np.full((len(panel), len(dates)), np.nan)
    before = (dates - panel.step).astype("datetime64[s]")
    rows, earlier = (
        rows_on(panel, np.broadcast_to(when, (len(panel), len(dates)))) for when in (dates, before)
    )
    expected = spreads(panel, before, 1)[:, :, 0]
    known = (rows >= 0) & (earlier >= 0) & (expected > 0)
    residuals = np.full(rows.shape, np.nan)
    moves = np.log(panel.values[rows[known]]) - np.log(panel.values[earlier[known]])
    residuals[known] = moves / expected[known]
    return residuals


def _pool(parts: Sequence[Part]) -> tuple[PooledErrors, Pools]:
    """Return what is known of past moves over all coins, and their counts."""
    past = [errors for part in parts for errors in part.past]
    summaries = summarise(count_errors(past, None))
    counts = join_pools([count_errors(past, summaries)])
    return PooledErrors(summaries, error_quantiles(counts)), counts


def _place(
    parts: Sequence[Part],
    pooled: PooledErrors,
    counts: Pools,
    levels: FloatArray,
    failures: list[CoinFailure],
    step: np.timedelta64,
) -> tuple[MoveDistribution, IntArray]:
    """Return the distribution of moves of coins by name, and which of all coins these are."""
    pools: dict[tuple[int, int], int] = {}
    scales, ratios, of_pool = [], [], []
    for part in parts:
        n_coins, horizon = part.spreads.shape
        known = calibrate(n_coins, horizon, part.past, pooled.summaries, pooled.quantiles)
        scales.append(known.scale(part.spreads))
        ratios.append(known.ratio)
        pool = np.full(n_coins, -1, dtype=np.int64)
        for errors in part.past:
            for row, place in zip(errors.rows.tolist(), errors.places.tolist(), strict=True):
                pool[row] = pools.setdefault((errors.cohort, place), len(pools))
        of_pool.append(pool)
    names = np.array([coin for part in parts for coin in part.coins], dtype=object)
    spread = np.concatenate([part.spreads for part in parts])
    pool = np.concatenate(of_pool)
    usable = (pool >= 0) & (spread[:, 0] > 0) & np.isfinite(np.concatenate(ratios))
    returns = np.concatenate([part.returns for part in parts])
    failures += [
        CoinFailure.of(names[i], NAME, _reason(names[i], returns[i], spread[i, 0]))
        for i in np.flatnonzero(~usable).tolist()
    ]
    kept = np.flatnonzero(usable)
    kept = kept[np.argsort(names[kept], kind="stable")]
    if not len(kept):
        raise InputError(
            f"risk: none of the {len(failures):,} coins can be measured; the first: "
            f"{failures[0].message}"
        )
    moves = MoveDistribution(
        tuple(names[kept].tolist()),
        np.concatenate([part.cutoffs for part in parts])[kept].astype("datetime64[s]"),
        np.concatenate([part.closes for part in parts])[kept],
        np.concatenate(scales)[kept], pool[kept], levels, _quantiles(list(pools), counts, levels),
        step,
    )  # fmt: skip
    return moves, kept


def _quantiles(pools: Sequence[tuple[int, int]], counts: Pools, levels: FloatArray) -> FloatArray:
    """Return the quantiles of each cohort and origin, ``(n_pools, horizon, n_levels)``."""
    quantiles: dict[tuple[int, int], FloatArray] = {}
    for cohort in sorted({cohort for cohort, _ in pools}):
        places = sorted(place for other, place in pools if other == cohort)
        of_cohort = counts[cohort]
        known = Conformal().quantiles(of_cohort, levels.tolist(), of_cohort.cutoffs[places])
        quantiles |= {(cohort, place): row for place, row in zip(places, known, strict=True)}
    return np.stack([quantiles[pool] for pool in pools])


def _reason(coin: str, returns: int, spread: float) -> SeriesError:
    """Return why a coin has no distribution."""
    if returns < LEAST:
        return TooShortError(
            f"{coin}: {returns} returns from bar to bar, and its volatility takes {LEAST}; leave "
            "it out, or give more rows"
        )
    if not spread > 0:
        return ConstantSeriesError(f"{coin}: its closes do not move; leave it out")
    return TooShortError(
        f"{coin}: no move before its last row is known; leave it out, or give more rows"
    )
