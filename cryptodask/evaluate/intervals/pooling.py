"""Pooling of past errors over all coins, for the intervals of forecasts and of backtests.

Errors are pooled by cohort (see `cryptodask.evaluate.intervals.cohorts`); a backtest is one cohort,
0. There are two passes over all parts of the coins; the second knows the summary of the first::

    summaries = summarise(join_pools(count_errors(part, None) for part in parts))
    quantiles = error_quantiles(join_pools(count_errors(part, summaries) for part in parts))

Then `cryptodask.evaluate.intervals.bounds` puts intervals around the forecasts of each part.
Counts are whole numbers, whose size does not depend on the number of coins, and add up in any
order: intervals depend neither on how the coins are divided nor on who comes first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryptodask.errors import InputError
from cryptodask.evaluate.intervals.conformal import Conformal
from cryptodask.evaluate.intervals.error_counts import ErrorCounts, PoolSummary
from cryptodask.evaluate.intervals.past_errors import PastErrors
from cryptodask.evaluate.intervals.prior import sum_sizes
from cryptodask.evaluate.rows import KEPT_LEVELS
from cryptodask.records import DateArray, FloatArray

Pools = dict[int, ErrorCounts]
"""Counts by cohort."""

VERSION = 2
"""Of the JSON that `PooledErrors.to_json` returns."""


def count_errors(parts: Iterable[PastErrors], summaries: Mapping[int, PoolSummary] | None) -> Pools:
    """Count errors, by cohort.

    Parameters
    ----------
    parts : iterable of PastErrors
        Past errors of one model, each of other coins or of another cohort.
    summaries : mapping of int to PoolSummary or None
        None on the first pass, `summarise` of all its counts on the second.
    """
    by_cohort = summaries or {}
    return join_pools(
        {part.cohort: Conformal().count(part.history, by_cohort.get(part.cohort))} for part in parts
    )


def compare_naive(parts: Iterable[PastErrors]) -> tuple[int, int]:
    """Return how far past forecasts missed, and how far naive did at the same dates and steps.

    Parameters
    ----------
    parts : iterable of PastErrors
        Of one model.

    Returns
    -------
    tuple of int
        Sums of absolute log errors over the spreads expected then, in one unit; whole numbers, so
        that the sums of all coins depend on no order.
    """
    totals = np.zeros(2, dtype=np.int64)
    for part in parts:
        spreads = part.history.spreads
        scale = np.where(spreads > 0, spreads, np.nan)
        totals += sum_sizes(part.history, scale).sum(axis=(0, 1))
    return int(totals[0]), int(totals[1])


def join_pools(parts: Iterable[Pools]) -> Pools:
    """Add up counts, cohort by cohort; the order changes nothing.

    Parameters
    ----------
    parts : iterable of Pools
        Counts of different coins, of the same model.
    """
    pools: Pools = {}
    for part in parts:
        for cohort, counts in part.items():
            pools[cohort] = pools[cohort] + counts if cohort in pools else counts
    return pools


def summarise(pools: Pools, by: np.datetime64 | None = None) -> dict[int, PoolSummary]:
    """Summarise the errors of all coins, by cohort.

    Parameters
    ----------
    pools : Pools
        Counts of the first pass, over all coins.
    by : datetime64, optional
        The first origin whose intervals are wanted; by default the last one of each cohort.
    """
    return {cohort: Conformal().summarise(counts, by) for cohort, counts in pools.items()}


def error_quantiles(pools: Pools) -> dict[int, FloatArray]:
    """Return the quantiles of the errors of all coins, by cohort.

    Parameters
    ----------
    pools : Pools
        Counts of the second pass, over all coins.

    Returns
    -------
    dict of int to ndarray of float64, ``(n_origins, horizon, n_levels)``
        Scaled errors, at the levels of `cryptodask.evaluate.rows.KEPT_LEVELS`.
    """
    levels = list(KEPT_LEVELS.values())
    return {cohort: Conformal().quantiles(counts, levels) for cohort, counts in pools.items()}


@dataclass(frozen=True, eq=False)
class PooledErrors:
    """The errors of one model's past forecasts, pooled over all coins.

    Attributes
    ----------
    summaries : dict of int to PoolSummary
        By cohort.
    quantiles : dict of int to ndarray of float64, ``(n_origins, horizon, n_levels)``
        By cohort, from `error_quantiles`.
    """

    summaries: dict[int, PoolSummary]
    quantiles: dict[int, FloatArray]

    def to_json(self) -> dict[str, Any]:
        """Return a value that JSON can hold without losing a bit; NaN becomes null."""
        cohorts = {
            str(cohort): {
                "cutoffs": np.datetime_as_string(summary.cutoffs, unit="s").tolist(),
                "moves": _to_lists(summary.moves),
                "cap": _to_lists(summary.cap),
                "mean": _to_lists(summary.mean),
                "errors": summary.errors,
                "coins": summary.coins,
                "quantiles": _to_lists(self.quantiles[cohort]),
            }
            for cohort, summary in self.summaries.items()
        }
        return {"version": VERSION, "cohorts": cohorts}

    @classmethod
    def from_json(cls, value: object) -> "PooledErrors":
        """Return the errors that `to_json` wrote.

        Parameters
        ----------
        value : object
            What JSON holds.

        Raises
        ------
        InputError
            The value is something else; the message names field, rule and value.
        """
        content = _checked_dict(value, ("version", "cohorts"), "value")
        if content["version"] != VERSION or isinstance(content["version"], bool):
            raise _refusal("version", f"must be {VERSION}", content["version"])
        if not isinstance(content["cohorts"], dict):
            raise _refusal("cohorts", "must be an object", content["cohorts"])
        summaries, quantiles = {}, {}
        for key, fields in content["cohorts"].items():
            if not key.isascii() or not key.isdecimal() or str(int(key)) != key:
                raise _refusal("cohorts", "its keys must be whole numbers", key)
            summaries[int(key)], quantiles[int(key)] = _read_cohort(fields, f"cohort {key}")
        return cls(summaries, quantiles)


def _read_cohort(value: object, name: str) -> tuple[PoolSummary, FloatArray]:
    """Return the summary and the quantiles of one cohort."""
    fields = _checked_dict(
        value, ("cutoffs", "moves", "cap", "mean", "errors", "coins", "quantiles"), name
    )
    cutoffs = _to_dates(fields["cutoffs"], f"{name}: cutoffs")
    n_origins = len(cutoffs)
    moves = _to_array(fields["moves"], (n_origins,), f"{name}: moves")
    cap = _to_array(fields["cap"], (n_origins, None), f"{name}: cap")
    mean = _to_array(fields["mean"], cap.shape, f"{name}: mean")
    errors, coins = (_to_count(fields[key], f"{name}: {key}") for key in ("errors", "coins"))
    shape = (*cap.shape, len(KEPT_LEVELS))
    quantiles = _to_array(fields["quantiles"], shape, f"{name}: quantiles")
    return PoolSummary(cutoffs, moves, cap, mean, errors, coins), quantiles


def _to_count(value: object, name: str) -> int:
    """Return a whole number that is not below 0."""
    if type(value) is not int or value < 0:
        raise _refusal(name, "must be a whole number, at least 0", value)
    return value


def _to_lists(array: FloatArray) -> list[Any]:
    """Return nested lists of numbers, with None for NaN."""
    values = array.astype(object)
    values[np.isnan(array)] = None
    lists: list[Any] = values.tolist()
    return lists


def _to_array(value: object, shape: tuple[int | None, ...], name: str) -> FloatArray:
    """Return nested lists of numbers as an array of this shape; None is any length from 1 on."""
    wanted = " × ".join("n" if length is None else str(length) for length in shape)
    rule = f"must be a list of {wanted} numbers or nulls"
    flat, lengths = [value], []
    for length in shape:
        if not all(isinstance(item, list) for item in flat):
            raise _refusal(name, rule, value)
        sizes = {len(item) for item in flat}  # type: ignore[arg-type]
        if len(sizes) != 1 or 0 in sizes or (length is not None and sizes != {length}):
            raise _refusal(name, rule, value)
        lengths.append(sizes.pop())
        flat = [number for item in flat for number in item]  # type: ignore[attr-defined]
    for number in flat:
        if number is not None and type(number) not in (int, float):
            raise _refusal(name, rule, number)
    try:
        array = np.array(flat, dtype=np.float64).reshape(lengths)
    except OverflowError as error:
        raise _refusal(name, "must fit 64 bits", value) from error
    if np.isinf(array).any():
        raise _refusal(name, "must be finite", value)
    return array


def _to_dates(value: object, name: str) -> DateArray:
    """Return dates that rise."""
    rule = "must be a list of rising dates, such as 2017-09-22T00:00:00"
    if not isinstance(value, list) or not value or not all(isinstance(d, str) for d in value):
        raise _refusal(name, rule, value)
    try:
        dates = np.array(value, dtype="datetime64[s]")
    except ValueError as error:
        raise _refusal(name, rule, value) from error
    if np.isnat(dates).any() or (np.diff(dates) <= np.timedelta64(0)).any():
        raise _refusal(name, rule, value)
    return dates


def _checked_dict(value: object, keys: tuple[str, ...], name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise _refusal(name, f"must be an object with {', '.join(keys)}", value)
    return value


def _refusal(name: str, rule: str, value: object) -> InputError:
    """Return an error in one line, which shows the beginning of a long value."""
    try:
        shown = repr(value)
    except RecursionError:
        shown = f"a deeply nested {type(value).__name__}"
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return InputError(f"pooled errors: {name}: {rule}, got {shown}; delete them and run again")
