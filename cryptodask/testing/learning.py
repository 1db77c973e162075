"""Rules of what models learn: arrays that are kept, and that forecasts are made from later."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cryptodask.errors import VersionError
from cryptodask.models.base import Model
from cryptodask.models.learned import OFFSETS, Array, Learned, join_learned
from cryptodask.models.pooled.base import is_pooled
from cryptodask.models.trained import Trained
from cryptodask.models.walks import random_panel
from cryptodask.records import FloatArray, Panel
from cryptodask.testing.trial import ALONE, Trial, broken, join, require, require_same

PLAIN = ("float64", "float32", "int64", "uint8", "bool")
"""The kinds of numbers that arrays may have."""

NEWER = 5
"""Rows that come after those that a model learned from."""


def _learns(trial: Trial) -> None:
    """Check that what it learned forecasts as it does, and newer rows, too.

    Models that learn nothing pass, and those that raise `VersionError` when they are to learn.
    """
    model = trial.model
    if not model.learns:
        return
    longer = join([trial.panel(60 + NEWER, 80 + NEWER), _gapped(trial)])
    panel = _without_last(longer, NEWER)
    try:
        learned = model.learn(panel, trial.short, trial.seed)
    except VersionError as error:
        require(model.name in str(error), f"the error does not name the model: {error}")
        return
    _check_arrays(learned, panel)
    kept = _kept(learned)
    values = _forecast(trial, kept, panel)
    expected = model.forecast(panel, trial.short, trial.seed)
    require_same(expected, values, panel.coins, "from what it learned", "forecast from that alone")
    _check_each_alone(trial, learned, panel)
    _check_taken(trial, kept, panel, expected)
    _check_newer(trial, kept, longer)


def _gapped(trial: Trial) -> Panel:
    """Return a coin with gaps before its last rows, which are enough after all of `NEWER`."""
    rows = trial.fewest(trial.short) + NEWER
    panel = random_panel(
        [rows + 30], trial.seed + 7, gaps=True, unbroken=rows, columns=trial.model.columns
    )
    return replace(panel, coins=("gapped",))


def _without_last(panel: Panel, rows: int) -> Panel:
    """Return each coin without its last rows."""
    kept = np.arange(len(panel.values)) < np.repeat(panel.indptr[1:] - rows, panel.lengths)
    return Panel(
        panel.coins,
        panel.values[kept],
        panel.dates[kept],
        panel.indptr - rows * np.arange(len(panel) + 1),
        panel.step,
        extra={name: column[kept] for name, column in panel.extra.items()},
    )


def _forecast(trial: Trial, known: Learned, panel: Panel) -> FloatArray:
    return trial.model.forecast_from(known, panel, trial.short, trial.seed)


def _kept(learned: Learned) -> Learned:
    """Return what is read from the bytes that safetensors makes of it."""
    from safetensors.numpy import load, save

    arrays = load(save({name: np.ascontiguousarray(a) for name, a in learned.arrays.items()}))
    _require_equal(learned.arrays, arrays, "once it was kept")
    return Learned(learned.coins, arrays)


def _check_arrays(learned: Learned, panel: Panel) -> None:
    """Check names, kinds and first axes of arrays."""
    coins = learned.coins
    require(coins in (None, panel.coins), f"it learned of {coins}, not of {panel.coins}")
    for name, array in learned.arrays.items():
        require(
            isinstance(array, np.ndarray) and array.dtype.name in PLAIN,
            f"{name} is {getattr(array, 'dtype', type(array))}, not an array of {', '.join(PLAIN)}",
        )
        if coins is None:
            continue
        offsets = learned.arrays.get(name + OFFSETS)
        more = name.endswith(OFFSETS)
        rows = len(coins) + 1 if more else len(coins) if offsets is None else int(offsets[-1])
        require(
            array.ndim and len(array) == rows,
            f"{name} has shape {array.shape}, and its first axis is to be {rows}",
        )


def _check_each_alone(trial: Trial, learned: Learned, panel: Panel) -> None:
    """Check that it learns of many coins what it learns of each alone."""
    if is_pooled(trial.model):
        require(learned.coins is None, "a pooled model learns what serves any coin")
        return
    parts = [trial.model.learn(panel.take([i]), trial.short, trial.seed) for i in range(len(panel))]
    _require_equal(join_learned(parts).arrays, learned.arrays, f"among {len(panel)} coins; {ALONE}")


def _check_taken(trial: Trial, known: Learned, panel: Panel, expected: FloatArray) -> None:
    """Check that some coins are forecast alike in another order, alone or from a version."""
    for places in ([2, 0], [1]):
        some = panel.take(places)
        where = f"of {', '.join(some.coins)} taken from all"
        values = _forecast(trial, known.take(some.coins), some)
        require_same(expected[places], values, some.coins, where, ALONE)
        values = Trained(trial.model, known).forecast(some, trial.short, trial.seed)
        require_same(expected[places], values, some.coins, f"{where}, by Trained", ALONE)


def _check_newer(trial: Trial, known: Learned, longer: Panel) -> None:
    """Check that newer rows are forecast from, and from the last rows of `lookback_from` alone."""
    model: Model = trial.model
    values = _forecast(trial, known, longer)
    require(
        values.shape == (len(longer), trial.short) and np.isfinite(values).all(),
        f"of rows that came later it forecasts {values.tolist()}, not finite prices of "
        f"{len(longer)} coins",
    )
    rows = Trained(model, known).lookback(trial.short)
    if rows is None:
        return
    last = model.lookback_from(trial.short)
    require(
        isinstance(last, int) and last >= 1, f"lookback_from is {last!r}, not a positive integer"
    )
    for fewer in sorted({int(last or 0), rows}):
        cut = _forecast(trial, known, longer.tail(fewer))
        advice = f"lookback_from is {last}; say that it looks at more"
        require_same(values, cut, longer.coins, f"from the last {fewer} rows", advice)


def _require_equal(expected: Mapping[str, Array], arrays: Mapping[str, Array], where: str) -> None:
    """Require arrays of the same names, kinds and bits."""
    if sorted(expected) != sorted(arrays):
        broken(f"it has arrays {sorted(expected)}, but {sorted(arrays)} {where}")
    for name, array in expected.items():
        other = arrays[name]
        same = array.dtype == other.dtype and array.shape == other.shape
        require(same and array.tobytes() == other.tobytes(), f"{name} is other {where}")


RULES = (_learns,)
