"""Prediction intervals of any model: conformal, from the errors that its forecasts had before.

An error is ``log(actual / forecast)``. Divided by what the coin moves at the time
(`volatility`), the errors of calm and of wild coins and times are alike, and those of all coins
are pooled: quantiles of the pool times a coin's volatility are its interval, per step. Three
things make that adapt: volatility itself; newer errors weigh more; and a coin's own errors, once
it has many, widen or narrow its share of the pool.

Counts in fixed bins are all that is pooled, so that it is the same for any partitioning. Three
passes over the panels give intervals at every origin, none of which knows an error before the bar
in which it showed::

    first = Calibration.join(conformal.count(history) for history in histories)
    pool = Calibration.join(conformal.count(history, first) for history in histories)
    quantiles = conformal.quantiles(pool, levels, history.cutoffs)
    prices = intervals(forecasts, conformal.scale(history, first), quantiles)

Sources: Lei et al., Distribution-free predictive inference for regression, JASA 2018 (errors
scaled by an estimate of their spread); Barber et al., Conformal prediction beyond
exchangeability, Annals of Statistics 2023 (weights by age); Gibbs and Candès, Adaptive conformal
inference under distribution shift, NeurIPS 2021, does the same by moving the level.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import InputError, OptionError
from cryptodask.records import DAY, DateArray, FloatArray

Counts = NDArray[np.int64]

EDGES: FloatArray = np.sinh(0.05 * np.arange(-160, 161))
"""Bins of scaled errors: 0.05 wide around 0, further out 5% of their distance, to 1,490."""

MOVES: FloatArray = np.exp(0.05 * np.arange(-320, 65))
"""Bins of volatility: 5% wide, from 1e-7 to 24 of log return."""

CAP = 5.0
"""A coin's own error counts for at most so many medians of the pool: beyond, it is a jump."""


@dataclass(frozen=True)
class History:
    """What a model's forecasts of some coins came to, and how wild the coins were.

    Attributes
    ----------
    cutoffs : ndarray of datetime64[s], ``(n_origins,)``
        Rising.
    errors : ndarray of float64, ``(n_coins, n_origins, horizon)``
        ``log(actual / forecast)``; NaN where there is no forecast or no actual (yet).
    volatility : ndarray of float64, ``(n_coins, n_origins)``
        Of `cryptodask.evaluate.volatility`; NaN or 0 where a coin has none of its own.
    step : timedelta64
        From one bar to the next.
    """

    cutoffs: DateArray
    errors: FloatArray
    volatility: FloatArray
    step: np.timedelta64 = DAY

    def __post_init__(self) -> None:
        n_origins = len(self.cutoffs)
        if self.errors.ndim != 3 or self.errors.shape[1] != n_origins:
            raise OptionError(
                f"errors: must be (n_coins, {n_origins}, horizon), got {self.errors.shape}"
            )
        if self.volatility.shape != self.errors.shape[:2]:
            raise OptionError(
                f"volatility: must be {self.errors.shape[:2]}, got {self.volatility.shape}"
            )
        if (np.diff(self.cutoffs) <= np.timedelta64(0)).any():
            raise OptionError("cutoffs: must rise from origin to origin; sort and deduplicate")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Counts of scaled errors and of volatilities at each origin, which add up over panels.

    Attributes
    ----------
    cutoffs : ndarray of datetime64[s], ``(n_origins,)``
        Rising.
    errors : ndarray of int64, ``(n_origins, horizon, len(EDGES) - 1)``
        Coins whose scaled error was in each bin.
    moves : ndarray of int64, ``(n_origins, len(MOVES) - 1)``
        Coins whose volatility was in each bin.
    step : timedelta64
    """

    cutoffs: DateArray
    errors: Counts
    moves: Counts
    step: np.timedelta64 = DAY

    def __add__(self, other: "Calibration") -> "Calibration":
        """Count the coins of both, which must be different ones, of the same model."""
        if self.errors.shape[1] != other.errors.shape[1] or self.step != other.step:
            raise OptionError(
                "calibrations: only those of one horizon and frequency add up, got "
                f"{self.errors.shape[1]} steps of {self.step} and "
                f"{other.errors.shape[1]} of {other.step}"
            )
        cutoffs = np.union1d(self.cutoffs, other.cutoffs)
        errors = np.zeros((len(cutoffs), *self.errors.shape[1:]), dtype=np.int64)
        moves = np.zeros((len(cutoffs), self.moves.shape[1]), dtype=np.int64)
        for part in (self, other):
            places = np.searchsorted(cutoffs, part.cutoffs)
            errors[places] += part.errors
            moves[places] += part.moves
        return Calibration(cutoffs, errors, moves, self.step)

    @staticmethod
    def join(parts: Iterable["Calibration"]) -> "Calibration":
        """Count the coins of all parts, of which there must be one at least."""
        return reduce(Calibration.__add__, parts)

    @property
    def market(self) -> FloatArray:
        """The middle coin's volatility at each origin, to 5%, ``(n_origins,)``; NaN of no coins."""
        below = np.cumsum(self.moves, axis=1)
        middle = np.argmax(2 * below >= below[:, -1:], axis=1)
        return np.where(below[:, -1] > 0, np.sqrt(MOVES[middle] * MOVES[middle + 1]), np.nan)

    def places(self, cutoffs: DateArray) -> NDArray[np.int64]:
        """Return where these origins are in this calibration's, ``(n_origins,)``."""
        found = np.searchsorted(self.cutoffs, cutoffs)
        there = found < len(self.cutoffs)
        there[there] = self.cutoffs[found[there]] == cutoffs[there]
        if not there.all():
            raise OptionError(
                f"cutoffs: the calibration has no origin {cutoffs[~there][0]}; count it too, "
                "without errors where they are not known yet"
            )
        return found

    def to_json(self) -> str:
        """Return it as text: of counts, only those above 0."""
        content: dict[str, Any] = {
            "version": 1,
            "step_seconds": int(self.step / np.timedelta64(1, "s")),
            "horizon": self.errors.shape[1],
            "cutoffs": np.datetime_as_string(self.cutoffs, unit="s").tolist(),
        }
        for name in ("errors", "moves"):
            counts = getattr(self, name).reshape(-1)
            filled = np.flatnonzero(counts)
            content[name] = [filled.tolist(), counts[filled].tolist()]
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> "Calibration":
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            It is something else.
        """
        try:
            content = json.loads(text)
            if content["version"] != 1:
                raise ValueError(f"version {content['version']}, this program reads version 1")
            cutoffs = np.array(content["cutoffs"], dtype="datetime64[s]")
            errors = np.zeros((len(cutoffs), int(content["horizon"]), len(EDGES) - 1), np.int64)
            moves = np.zeros((len(cutoffs), len(MOVES) - 1), dtype=np.int64)
            for counts, (filled, values) in (
                (errors, content["errors"]),
                (moves, content["moves"]),
            ):
                counts.reshape(-1)[filled] = values
            step = np.timedelta64(content["step_seconds"], "s")
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(f"calibration: can't be read ({error}); make it anew") from error
        return cls(cutoffs, errors, moves, step)


@dataclass(frozen=True)
class Conformal:
    """How past errors become intervals.

    Attributes
    ----------
    half_life : float
        Bars after which an error counts half, in the pool; but never less than two horizons of
        the step in question nor three origins, since an interval must not hang on one origin:
        coins move together, and so do their errors.
    mirror : float
        With what weight every error counts with the other sign too, from 0 to 1. A pool of few
        origins leans with the market of the last weeks, which says little about the next: at 1/2
        a third of that lean stays, enough for a model that errs to one side.
    own : float
        How many errors, of times that do not overlap, a coin must have for its own spread to count
        as much as the pool's. Infinite: the coin's own never count.
    """

    half_life: float = 20.0
    mirror: float = 0.5
    own: float = 10.0

    def __post_init__(self) -> None:
        if not self.half_life > 0 or not 0 <= self.mirror <= 1 or not self.own > 0:
            raise OptionError(
                "half_life and own must be above 0 and mirror from 0 to 1, got "
                f"{self.half_life}, {self.own} and {self.mirror}"
            )

    def count(self, history: History, first: Calibration | None = None) -> Calibration:
        """Count the scaled errors of the coins of one panel.

        Parameters
        ----------
        history : History
            The origins must include those at which intervals are wanted, with NaN for errors.
        first : Calibration, optional
            The counts of all panels without it. With it, coins' own errors scale too.
        """
        shape = history.errors.shape[1:]
        usable = history.volatility > 0
        spread = history.volatility[:, :, None] * np.sqrt(np.arange(1, shape[1] + 1))
        if first is not None:
            spread = spread * self._own_share(history, first)
        errors = np.zeros((*shape, len(EDGES) - 1), dtype=np.int64)
        scaled = np.divide(
            history.errors, spread, out=np.full(spread.shape, np.nan), where=usable[:, :, None]
        )
        _, origin, ahead = np.nonzero(~np.isnan(scaled))
        np.add.at(errors, (origin, ahead, _bins(EDGES, scaled[~np.isnan(scaled)])), 1)
        moves = np.zeros((shape[0], len(MOVES) - 1), dtype=np.int64)
        _, origin = np.nonzero(usable)
        np.add.at(moves, (origin, _bins(MOVES, history.volatility[usable])), 1)
        return Calibration(history.cutoffs, errors, moves, history.step)

    def scale(self, history: History, first: Calibration) -> FloatArray:
        """Return what the pool's quantiles are to be multiplied by.

        Parameters
        ----------
        history : History
        first : Calibration
            The counts of all panels, made without a calibration.

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins, horizon)``
            Log return. A coin without a volatility of its own has the market's.
        """
        market = first.market[first.places(history.cutoffs)]
        moves = np.where(history.volatility > 0, history.volatility, market)
        roots = np.sqrt(np.arange(1, history.errors.shape[2] + 1))
        share: FloatArray = self._own_share(history, first)
        return moves[:, :, None] * roots * share

    def quantiles(
        self, pool: Calibration, levels: Sequence[float], cutoffs: DateArray | None = None
    ) -> FloatArray:
        """Return quantiles of the pooled errors as they were known at each origin.

        Parameters
        ----------
        pool : Calibration
        levels : sequence of float
            Rising, between 0 and 1.
        cutoffs : ndarray of datetime64[s], optional
            Some of the pool's origins; by default all.

        Returns
        -------
        ndarray of float64, ``(n_origins, horizon, n_levels)``
            Scaled errors; NaN where none was known.

        Raises
        ------
        OptionError
            Levels that are none, or an origin that the pool has not.
        """
        wanted = check_levels(levels)
        places = pool.places(pool.cutoffs if cutoffs is None else cutoffs)
        counts, size = self._known(pool)
        return _quantiles(counts[places], size[places], wanted)

    def _known(self, pool: Calibration) -> tuple[FloatArray, FloatArray]:
        """Return what was known at each origin: weighted counts, and how many errors they equal.

        Added origin by origin, so that later ones, which weigh nothing, change no bit.
        """
        n_origins, horizon, _ = pool.errors.shape
        bars = (pool.cutoffs - pool.cutoffs[:1]) / pool.step
        apart = float(np.median(np.diff(bars))) if n_origins > 1 else 0.0
        counts = np.zeros(pool.errors.shape)
        squares = np.zeros((n_origins, horizon))
        for ahead in range(1, horizon + 1):
            half_life = max(self.half_life, 2.0 * ahead, 3.0 * apart)
            for origin in range(n_origins):
                then = slice(int(np.searchsorted(bars, bars[origin] + ahead)), None)
                weight = 0.5 ** ((bars[then] - bars[origin] - ahead) / half_life)
                seen = pool.errors[origin, ahead - 1]
                counts[then, ahead - 1] += weight[:, None] * seen
                squares[then, ahead - 1] += weight**2 * seen.sum()
        size = np.divide(
            counts.sum(axis=2) ** 2, squares, out=np.zeros_like(squares), where=squares > 0
        )
        return counts + self.mirror * counts[:, :, ::-1], size

    def _own_share(self, history: History, first: Calibration) -> FloatArray:
        """Return the spread of each coin's own errors over the pool's, as known at each origin.

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins, horizon)``
            1 for a coin without errors so far.
        """
        horizon = history.errors.shape[2]
        steps = np.arange(1, horizon + 1)
        bars = (history.cutoffs - history.cutoffs[:1]) / history.step
        cap, mean = self._typical(first, history.cutoffs)
        usable = (history.volatility > 0)[:, :, None] & (mean > 0) & ~np.isnan(history.errors)
        spread = history.volatility[:, :, None] * np.sqrt(steps)
        scaled = np.divide(np.abs(history.errors), spread, out=np.zeros(spread.shape), where=usable)
        ratio = np.divide(np.minimum(scaled, cap), mean, out=np.zeros(spread.shape), where=usable)
        # Errors over times that overlap tell little new: together they count as one.
        apart = np.diff(bars, prepend=-np.inf)[:, None]
        weight = np.minimum(1.0, apart / steps) * usable
        share = np.ones(spread.shape)
        for ahead in range(1, horizon + 1):
            known = np.searchsorted(bars + ahead, bars, side="right")
            total, count = (
                np.pad(np.cumsum(a[:, :, ahead - 1], axis=1), ((0, 0), (1, 0)))[:, known]
                for a in (weight * ratio, weight)
            )
            if np.isfinite(self.own):
                share[:, :, ahead - 1] = (self.own + total) / (self.own + count)
        return share

    def _typical(self, first: Calibration, cutoffs: DateArray) -> tuple[FloatArray, FloatArray]:
        """Return `CAP` medians of the pool's absolute errors, and their mean up to there.

        Each ``(n_origins, horizon)``, as known at each origin, NaN and 0 where none was.
        """
        counts = self._known(first)[0][first.places(cutoffs)]
        half = len(EDGES) // 2
        folded = counts[:, :, half:] + counts[:, :, half - 1 :: -1]
        below = np.cumsum(folded, axis=2)
        middle = np.argmax(2 * below >= below[:, :, -1:], axis=2)
        centres = (EDGES[half:-1] + EDGES[half + 1 :]) / 2
        cap = CAP * centres[middle]
        total = (folded * np.minimum(centres, cap[:, :, None])).sum(axis=2)
        mean = np.divide(total, below[:, :, -1], out=np.zeros_like(total), where=total > 0)
        return cap, mean


def intervals(forecasts: FloatArray, scale: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Return the quantiles of prices around point forecasts.

    Parameters
    ----------
    forecasts : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Prices.
    scale : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Of `Conformal.scale`.
    quantiles : ndarray of float64, ``(n_origins, horizon, n_levels)``
        Of `Conformal.quantiles`.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_origins, horizon, n_levels)``
        Prices above 0 that do not fall with the level; NaN where a forecast is none or not above
        0, or where nothing was known to make an interval of.
    """
    centre = np.full(forecasts.shape, np.nan)
    np.log(forecasts, out=centre, where=forecasts > 0)
    limits = np.log([np.finfo(np.float64).tiny, np.finfo(np.float64).max / 2])
    logs = centre[..., None] + scale[..., None] * quantiles
    return np.exp(np.clip(logs, *limits))


def log_errors(actual: FloatArray, forecasts: FloatArray) -> FloatArray:
    """Return ``log(actual / forecast)``, NaN where one of them is none or not above 0."""
    sound = (actual > 0) & (forecasts > 0)
    ratio = np.divide(actual, forecasts, out=np.full(sound.shape, np.nan), where=sound)
    errors: FloatArray = np.log(ratio)
    return np.where(np.isfinite(errors), errors, np.nan)


def check_levels(levels: Sequence[float]) -> FloatArray:
    """Return levels as an array.

    Raises
    ------
    OptionError
        There is none, or they are not between 0 and 1, or do not rise.
    """
    wanted = np.asarray(levels, dtype=np.float64).reshape(-1)
    if not len(wanted) or not ((wanted > 0) & (wanted < 1)).all() or (np.diff(wanted) <= 0).any():
        raise OptionError(f"levels: must rise, between 0 and 1, got {list(levels)}")
    return wanted


def _bins(edges: FloatArray, values: FloatArray) -> NDArray[np.int64]:
    """Return the bin of each value; the outermost have no end."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _quantiles(counts: FloatArray, size: FloatArray, levels: FloatArray) -> FloatArray:
    """Return quantiles of counts in bins, as if each bin's were spread evenly over it.

    Levels move outwards as far as the quantiles of a sample of that size fall short: of n values,
    the k-th lies at ``k / (n + 1)`` on average.
    """
    result = np.full((*counts.shape[:2], len(levels)), np.nan)
    for place in np.ndindex(*counts.shape[:2]):
        if not size[place] > 0:
            continue
        total = np.concatenate([[0.0], np.cumsum(counts[place])])
        moved = np.clip(levels + (levels - 0.5) / size[place], 1e-12, 1.0) * total[-1]
        upper = np.searchsorted(total, moved)
        inside = (moved - total[upper - 1]) / (total[upper] - total[upper - 1])
        result[place] = EDGES[upper - 1] + inside * (EDGES[upper] - EDGES[upper - 1])
    return result
