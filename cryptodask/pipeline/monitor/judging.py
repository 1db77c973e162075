"""Decide of a day: its numbers, and which of them are beyond their limits. No I/O."""

from collections.abc import Collection, Mapping

import attrs
import numpy as np

from cryptodask.pipeline.monitor.daily import (
    DRIFTS,
    FEATURES,
    GROWING,
    MOST_LACKING,
    PLAIN,
    Days,
)
from cryptodask.pipeline.monitor.limits import CAP, HISTORY, Drift, Stability, cusum, rolling_index
from cryptodask.pipeline.monitor.reference import Reference
from cryptodask.records import DateArray, FloatArray
from cryptodask.store import Alert

DRIFT, STABILITY = "_drift", "_stability"
"""Ends of the names of measures that are a CUSUM, and an index of stability."""

COINS, FRESHNESS, FAILURES, AGE = "coins", "freshness", "failures", "version_age"

ALIVE = 30
"""Days since its last one after which a coin is taken for delisted."""


@attrs.frozen(kw_only=True)
class Reading:
    """A measure on a day.

    Attributes
    ----------
    measure : str
    value : float or None
        None where it could not be measured.
    least, most : float or None
        Limits; None where there is none.
    """

    measure: str
    value: float | None
    least: float | None = None
    most: float | None = None

    @property
    def is_alarm(self) -> bool:
        """Whether the value is beyond a limit."""
        if self.value is None:
            return False
        below = self.least is not None and self.value < self.least
        return below or (self.most is not None and self.value > self.most)


@attrs.frozen(kw_only=True, eq=False)
class Facts:
    """What is known of a day beside what forecasts were worth.

    Attributes
    ----------
    last_bars : ndarray of datetime64[s], ``(n_coins,)``
        The last bar of each coin, up to the day.
    expected : collection of str
        Coins that were forecast lately, or that failed.
    forecast : collection of str
        Coins that have a forecast from the day.
    trained : float or None
        Days since the oldest version that was used was trained.
    """

    last_bars: DateArray
    expected: Collection[str]
    forecast: Collection[str]
    trained: float | None = None


def judge_day(reference: Reference, days: Days, facts: Facts, day: np.datetime64) -> list[Reading]:
    """Return the measures of a day.

    Parameters
    ----------
    reference : Reference
    days : Days
        Up to that day.
    facts : Facts
    day : datetime64
    """
    coins = float(days.coins[-1]) if _last_day(days, day) else None
    least = (1 - MOST_LACKING) * reference.coins
    readings = [Reading(measure=COINS, value=coins, least=least)]
    readings += [_plain(days, name, day) for name in PLAIN]
    for name, drift in reference.drifts.items():
        readings += [_plain(days, name, day), _drift(name, drift, days, day)]
    readings += [_stability(name, f, days, day) for name, f in reference.features.items()]
    return [*readings, *_of_facts(reference, facts, day)]


def drift_values(name: str, drift: Drift, values: FloatArray) -> FloatArray:
    """Return the CUSUM of a number, below 0 where it fell: the larger of the two sums.

    Parameters
    ----------
    name : str
        One of `cryptodask.pipeline.monitor.daily.DRIFTS`.
    drift : Drift
    values : ndarray of float64, ``(n_histories, n_days)`` or ``(n_days,)``

    Returns
    -------
    ndarray of float64, ``(n_histories, n_days)`` or ``(n_days,)``
        Standard deviations.
    """
    rise, fall = cusum((values - drift.mean) / max(drift.sd, 1e-9), CAP * drift.limit)
    signed: FloatArray = rise if name in GROWING else np.where(fall > rise, -fall, rise)
    return signed


def _last_day(days: Days, day: np.datetime64) -> bool:
    """Whether the last of the days is that day."""
    return len(days) > 0 and bool(days.dates[-1].astype("datetime64[D]") == day)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _plain(days: Days, name: str, day: np.datetime64) -> Reading:
    value = _number(days.numbers[name][-1]) if _last_day(days, day) else None
    return Reading(measure=name, value=value)


def _drift(name: str, drift: Drift, days: Days, day: np.datetime64) -> Reading:
    value = None
    if _last_day(days, day) and np.isfinite(days.numbers[name][-1]):
        value = float(drift_values(name, drift, days.numbers[name][-HISTORY:])[-1])
    least = None if name in GROWING else -drift.limit
    return Reading(measure=name + DRIFT, value=value, least=least, most=drift.limit)


def _stability(name: str, feature: Stability, days: Days, day: np.datetime64) -> Reading:
    value = None
    if _last_day(days, day):
        index = rolling_index(days.counts[name], np.asarray(feature.shares))
        value = _number(index[-1])
    return Reading(measure=name + STABILITY, value=value, most=feature.limit)


def _of_facts(reference: Reference, facts: Facts, day: np.datetime64) -> list[Reading]:
    """Return freshness in days, share of failures, and the age of versions in days."""
    ages = (day - facts.last_bars.astype("datetime64[D]")).astype(np.int64)
    freshness = None
    if len(ages):
        alive = ages[ages <= ages.min() + ALIVE]
        freshness = max(float(np.floor(np.median(alive))), 0.0)
    expected = set(facts.expected) | set(facts.forecast)
    failed = 1 - len(set(facts.forecast)) / len(expected) if expected else None
    return [
        Reading(measure=FRESHNESS, value=freshness, most=0.0),
        Reading(measure=FAILURES, value=failed, most=reference.most_failed),
        Reading(measure=AGE, value=facts.trained, most=reference.oldest),
    ]


def meaning_of(measure: str) -> str:
    """Return what a measure is, for people.

    Parameters
    ----------
    measure : str
        The name of a reading.
    """
    others: Mapping[str, str] = {
        COINS: "coins with a forecast and a close, without which the day has no other numbers",
        FRESHNESS: "days that most coins lack up to the day",
        FAILURES: "share of coins without a forecast",
        AGE: "days since the oldest version in use was trained",
    }
    known = {**DRIFTS, **PLAIN, **others}
    if measure in known:
        return known[measure]
    name = measure.removesuffix(DRIFT).removesuffix(STABILITY)
    if measure.endswith(DRIFT):
        return f"CUSUM, in standard deviations, of: {DRIFTS.get(name, name)}"
    return f"population stability index, over 60 days, of: {FEATURES.get(name, name)}"


def alert_of(reading: Reading, day: str, model: str) -> Alert:
    """Return the alert of a reading that is an alarm; of a day, model and measure there is one.

    Parameters
    ----------
    reading : Reading
    day : str
    model : str
    """
    value = reading.value if reading.value is not None else float("nan")
    is_low = reading.least is not None and value < reading.least
    bound = f"below {reading.least:.4g}" if is_low else f"above {reading.most:.4g}"
    meaning = meaning_of(reading.measure)
    return Alert(
        key=f"monitor {day} {model} {reading.measure}",
        kind=reading.measure[:40],
        subject=day,
        message=f"{model}: {reading.measure} is {value:.4g}, {bound}: {meaning}",
        value=reading.value,
        least=reading.least,
        most=reading.most,
    )
