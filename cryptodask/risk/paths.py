"""Simulated paths of many coins, which move together as they did on the same past days.

Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper, VaR without correlations for
portfolios of derivative securities, Journal of Futures Markets 1999): for each bar of a path there
is a past date, and each coin moves by its residual of that date times the spread that is expected
of it then. The dates are the same for all coins, so that they move together as they did. Ten of
them follow each other on average (Politis and Romano, The stationary bootstrap, JASA 1994), since
coins follow others by days: of 65 coins of 2017 any two had a correlation of 0.18 over a day, and
of 0.29 over ten. What a path
has summed up by a step says only how high it is among all paths: at that rank, the close is the
quantile of the coin's distribution of moves (as Iman and Conover, A distribution-free approach to
inducing rank correlation among input variables, 1982, do). So paths of each coin have the
distribution from which its intervals are, at each step.

A coin without a residual on a date gets that of the market times its loading on the market, and
noise for the rest, drawn once for each coin: coins that were not there yet move with the others
about as much as those that were.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cryptodask.errors import InputError
from cryptodask.models.base import rng_for
from cryptodask.records import DateArray, FloatArray, IntArray
from cryptodask.risk.distribution import FAR, MoveDistribution

NAME = "risk"

LEAST_DATES = 30
"""Dates with residuals that paths need."""

BLOCK = 10
"""Dates that follow each other in paths as they did in the past, on average."""

LARGEST = 4.0
"""Standard deviations beyond which a residual counts for no more in what coins have in common."""

PRIOR = 10
"""Residuals as which the usual size and loading count beside a coin's own."""


@dataclass(frozen=True, eq=False)
class Simulator:
    """Paths of coins, coin by coin; the same whatever coin comes first.

    Attributes
    ----------
    moves : MoveDistribution
        Of ``n_coins``.
    residuals : ndarray of float64, ``(n_coins, n_dates)``
        Of the same dates, none missing, of a mean square of about 1.
    draws : ndarray of int64, ``(horizon, n_paths)``
        Which date each bar of each path is like.
    """

    moves: MoveDistribution
    residuals: FloatArray
    draws: IntArray

    @classmethod
    def of(
        cls,
        moves: MoveDistribution,
        dates: DateArray,
        residuals: FloatArray,
        n_paths: int,
        seed: int,
    ) -> "Simulator":
        """Draw the dates of paths, each about as often as any other.

        Parameters
        ----------
        moves : MoveDistribution
        dates : ndarray of datetime64[s], ``(n_dates,)``
        residuals : ndarray of float64, ``(n_coins, n_dates)``
            Moves over spreads; NaN where a coin has none.
        n_paths, seed : int

        Raises
        ------
        InputError
            There are too few dates on which any coin has a residual.
        """
        known = ~np.isnan(residuals).all(axis=0)
        if known.sum() < LEAST_DATES:
            raise InputError(
                f"paths: {known.sum()} of the last {len(dates):,} bars have a move and what was "
                f"expected of it, and paths need {LEAST_DATES}; give more rows"
            )
        complete = completed(moves.coins, residuals[:, known], seed)
        rng, n_dates = rng_for(seed, NAME, ""), complete.shape[1]
        draws = np.empty((moves.horizon, n_paths), dtype=np.int64)
        for step in range(moves.horizon):
            drawn = rng.permutation(np.resize(rng.permutation(n_dates), n_paths))
            follows = (step > 0) & (rng.random(n_paths) >= 1.0 / BLOCK)
            draws[step] = np.where(follows, (draws[step - 1] + 1) % n_dates, drawn)
        return cls(moves, complete, draws)

    def logs(self, coin: int, steps: Sequence[int] | None = None) -> FloatArray:
        """Return the paths of one coin.

        Parameters
        ----------
        coin : int
            Its place.
        steps : sequence of int, optional
            Bars ahead, from 1; by default all up to the horizon.

        Returns
        -------
        ndarray of float64, ``(n_steps, n_paths)``
            Log returns since the last close.
        """
        horizon, n_paths = self.draws.shape
        wanted = np.arange(horizon) if steps is None else np.asarray(steps) - 1
        scale = self.moves.scale[coin]
        apart = np.sqrt(np.maximum(np.diff(scale**2, prepend=0.0), 0.0))
        summed = np.cumsum(self.residuals[coin][self.draws] * apart[:, None], axis=0)
        ranked = self._at_ranks(np.log(self.moves.growths(slice(coin, coin + 1))[0, wanted]))
        paths = np.empty((len(wanted), n_paths))
        for row, step in enumerate(wanted.tolist()):
            # Paths of one date are in the order of their numbers, for all coins alike, so that
            # coins that always moved together still do.
            order = np.argsort(summed[step], kind="stable")
            paths[row, order] = ranked[row]
        return paths

    def _at_ranks(self, quantiles: FloatArray) -> FloatArray:
        """Return the log returns of the lowest path to the highest, ``(n_steps, n_paths)``.

        Parameters
        ----------
        quantiles : ndarray of float64, ``(n_steps, n_levels)``
        """
        n_paths, levels = self.draws.shape[1], self.moves.levels
        shares = (np.arange(n_paths) + 0.5) / n_paths
        after = np.clip(np.searchsorted(levels, shares), 1, len(levels) - 1)
        inside = (shares - levels[after - 1]) / (levels[after] - levels[after - 1])
        ranked: FloatArray = quantiles[:, after - 1] * (1.0 - inside) + quantiles[:, after] * inside
        return ranked

    def portfolio(
        self, coins: IntArray, weights: FloatArray, steps: Sequence[int] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the paths of a portfolio that nobody trades until the horizon.

        Parameters
        ----------
        coins : ndarray of int64, ``(n_held,)``
            Places.
        weights : ndarray of float64, ``(n_held,)``
            Shares of the value, 1 together.
        steps : sequence of int, optional
            Bars ahead, from 1; by default all up to the horizon.

        Returns
        -------
        values : ndarray of float64, ``(n_steps, n_paths)``
            Over the value now.
        logs : ndarray of float64, ``(n_steps, n_paths)``
            The coins' log returns by weight, each winsorised at
            `cryptodask.risk.distribution.FAR`: their deviation hangs on no single wild coin.
        """
        n_steps = len(self.draws) if steps is None else len(steps)
        values, logs = np.zeros((2, n_steps, self.draws.shape[1]))
        far = round(FAR * self.draws.shape[1])
        for coin, weight in zip(coins.tolist(), weights.tolist(), strict=True):
            paths = self.logs(coin, steps)
            values += weight * np.exp(paths)
            ranked = np.sort(paths)
            logs += weight * np.clip(paths, ranked[:, [far]], ranked[:, [-1 - far]])
        return values, logs

    def closes(self, coins: IntArray) -> Iterator[tuple[str, DateArray, FloatArray]]:
        """Yield name, dates ``(horizon,)`` and closes ``(horizon, n_paths)`` of coins.

        Closes are in the quote currency.

        Parameters
        ----------
        coins : ndarray of int64, ``(n,)``
            Places.
        """
        dates = self.moves.dates
        for coin in coins.tolist():
            closes = self.moves.closes[coin] * np.exp(self.logs(coin))
            yield self.moves.coins[coin], dates[coin], closes


def completed(coins: tuple[str, ...], residuals: FloatArray, seed: int) -> FloatArray:
    """Return residuals of a mean square of about 1, with those that are missing filled in.

    Parameters
    ----------
    coins : tuple of str
        Names, ``(n_coins,)``.
    residuals : ndarray of float64, ``(n_coins, n_dates)``
        NaN where missing; of each date one is there.
    seed : int
        Of the noise in what is filled in.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_dates)``
    """
    missing = np.isnan(residuals)
    count = (~missing).sum(axis=1)
    square = np.nansum(residuals**2, axis=1)
    usual = square.sum() / count.sum()
    sizes = np.sqrt((square + PRIOR * usual) / (count + PRIOR))
    scaled = residuals / sizes[:, None]
    capped = np.clip(scaled, -LARGEST, LARGEST)
    market = _others(capped)
    common = np.nansum(capped * market, axis=1)
    loading = (common + PRIOR * common.sum() / count.sum()) / (count + PRIOR)
    loading = np.clip(loading, -1.0, 1.0)
    for coin in np.flatnonzero(missing.any(axis=1)).tolist():
        noise = rng_for(seed, NAME, coins[coin]).standard_normal(residuals.shape[1])
        other = loading[coin] * market[coin] + np.sqrt(1.0 - loading[coin] ** 2) * noise
        scaled[coin, missing[coin]] = other[missing[coin]]
    result: FloatArray = scaled
    return result


def _others(residuals: FloatArray) -> FloatArray:
    """Return the mean residual of the other coins of each date, of a mean square of 1.

    With the coin's own in it, the coin would seem to move with the market more than it does.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_dates)``
        0 where a coin is alone.
    """
    known = ~np.isnan(residuals)
    number = known.sum(axis=0) - known
    total = np.nansum(residuals, axis=0) - np.where(known, residuals, 0.0)
    means = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    size = np.sqrt((means**2).mean())
    scaled: FloatArray = means / size if size > 0 else means
    return scaled
