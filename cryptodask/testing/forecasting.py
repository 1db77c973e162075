"""Rules of forecasts: finite, repeatable, and of each coin alone."""

from dataclasses import replace
from typing import Any

import numpy as np

from cryptodask.models.walks import random_walk
from cryptodask.records import DAY
from cryptodask.testing.trial import (
    ALONE,
    PURE,
    READ_ONLY,
    Trial,
    broken,
    in_bars,
    join,
    one_coin,
    require,
    require_same,
)


def _forecasts(trial: Trial) -> None:
    """Check that every coin gets a finite price at each bar, however few rows it has."""
    for horizon in trial.horizons:
        rows = trial.fewest(horizon)
        panel = trial.panel(rows, 80, rows + 7, horizon=horizon, gaps=True)
        values = trial.model.forecast(panel, horizon, trial.seed)
        require(isinstance(values, np.ndarray), f"forecast returned a {type(values).__name__}")
        require(
            values.shape == (3, horizon) and values.dtype == np.float64,
            f"forecast returned {values.dtype} of shape {values.shape} for 3 coins and a horizon "
            f"of {horizon}, not float64 of (n_coins, horizon)",
        )
        result = trial.forecast(panel, horizon)
        require_same(values, result.values, panel.coins, "the second time", PURE)


def _forecasts_hours(trial: Trial) -> None:
    """Check that bars of an hour or four are forecast as days are."""
    days = trial.panel(trial.fewest(trial.short), 80, gaps=True)
    expected = trial.forecast(days)
    for hours in (1, 4):
        step = np.timedelta64(hours, "h")
        bars = trial.forecast(in_bars(days, step))
        where = f"in bars of {hours} h"
        advice = "count time in panel.times or panel.step; skip the rule if the calendar matters"
        require_same(expected.values, bars.values, days.coins, where, advice)
        dates = bars.cutoffs[:, None] + np.arange(1, trial.short + 1) * step
        require(np.array_equal(bars.dates, dates), f"dates are {bars.dates.tolist()} {where}")


def _forecasts_nothing(trial: Trial) -> None:
    """Check that a panel of no coin gives no forecast, ``(0, horizon)``."""
    shape = trial.model.forecast(trial.panel(), 7, trial.seed).shape
    require(shape == (0, 7), f"the forecast of no coin has shape {shape}, not (0, 7)")


def _repeats(trial: Trial) -> None:
    """Check that equal panels, options and seeds give the same bits, also after `warm_up`."""
    panel = trial.panel(40, 60)
    model: Any = trial.model  # a dataclass, as another rule checks
    expected = trial.forecast(panel).values
    require_same(expected, trial.forecast(panel).values, panel.coins, "the second time", PURE)
    model.warm_up()
    require_same(expected, trial.forecast(panel).values, panel.coins, "after warm_up", PURE)
    copy = replace(trial, model=replace(model))
    require_same(expected, copy.forecast(panel).values, panel.coins, "of an equal model", PURE)


def _depends_on_seed(trial: Trial) -> None:
    """Check that another seed changes every coin's forecast, or none."""
    panel = trial.panel(40, 60)
    expected = trial.forecast(panel).values
    changed = replace(trial, seed=trial.seed + 1).forecast(panel).values != expected
    random = changed.any() if trial.random is None else trial.random
    require(
        changed.all() if random else not changed.any(),
        f"another seed changes {int(changed.sum())} of {changed.size} prices, and it was to be "
        f"{'all' if random else 'none'}; draw all randomness of a coin from "
        "rng_for(seed, name, coin)",
    )


def _names_its_randomness(trial: Trial) -> None:
    """Check that coins of the same prices differ by randomness alone."""
    closes, dates = random_walk(max(50, trial.fewest(trial.short)), trial.seed)
    twins = [one_coin(name, closes, dates, trial.model.columns) for name in ("twin", "other")]
    first, second = trial.forecast(join(twins)).values
    reseeded = replace(trial, seed=trial.seed + 1).forecast(twins[0]).values[0]
    differ = first != second
    if not differ.any():
        require(
            trial.settled() is not trial.model or np.array_equal(reseeded, first),
            "a seed decides its forecasts, but coins of the same prices have the same; draw "
            "randomness from rng_for(seed, name, coin)",
        )
        return
    require(
        differ.all() and not np.array_equal(reseeded, first),
        f"coins of the same prices have the forecasts {first.tolist()} and {second.tolist()}; "
        f"{ALONE}",
    )


def _scales(trial: Trial) -> None:
    """Check that prices in another currency are forecast in it, to a ten thousandth."""
    panel = trial.panel(60, 80)
    dollars = trial.forecast(panel).values
    others = trial.forecast(replace(panel, values=panel.values * 1024)).values / 1024
    if not np.allclose(others, dollars, rtol=1e-4, atol=0):
        i, step = np.unravel_index(np.argmax(np.abs(others / dollars - 1)), dollars.shape)
        broken(
            f"{panel.coins[i]}: step {step + 1} is {float(dollars[i, step])!r}, but "
            f"{float(others[i, step])!r} where all prices are 1024 times as high, divided by 1024; "
            "work with returns or logs; skip the rule if the level of prices matters"
        )


def _leaves_its_input(trial: Trial) -> None:
    """Check that the panel is not written to, and shares no memory with the forecast."""
    panel, before = trial.panel(40, 60), trial.panel(40, 60)
    arrays = [panel.values, panel.dates, panel.indptr, *panel.extra.values()]
    for array in arrays:
        array.setflags(write=False)
    values = trial.model.forecast(panel, trial.short, trial.seed)
    require(
        not any(np.shares_memory(values, array) for array in arrays),
        f"the forecast shares memory with the panel; {READ_ONLY}",
    )
    untouched = [before.values, before.dates, before.indptr, *before.extra.values()]
    changed = not all(map(np.array_equal, arrays, untouched))
    require(not changed, f"forecast wrote into the panel; {READ_ONLY}")


def _forecasts_each_alone(trial: Trial) -> None:
    """Check that a batch of many coins is many batches of one, bit for bit."""
    model = trial.settled()
    for panel in trial.drawn():
        batch = model.forecast(panel, trial.short, trial.seed)
        alone = [
            model.forecast(panel.take([i]), trial.short, trial.seed) for i in range(len(panel))
        ]
        where = f"without the {len(panel) - 1} others"
        require_same(batch, np.concatenate(alone), panel.coins, where, ALONE)


def _minds_no_order(trial: Trial) -> None:
    """Check that neither the order of coins nor which others are there matters, to the bit."""
    model, rng = trial.settled(), np.random.default_rng(trial.seed)
    for panel in trial.drawn():
        places = rng.permutation(len(panel))[: int(rng.integers(1, len(panel) + 1))]
        some = panel.take(places)
        expected = model.forecast(panel, trial.short, trial.seed)[places]
        values = model.forecast(some, trial.short, trial.seed)
        require_same(expected, values, some.coins, f"among {', '.join(some.coins)}", ALONE)


def _minds_no_evenness(trial: Trial) -> None:
    """Check that it makes no difference to a coin whether others have gaps."""
    model, rows = trial.settled(), trial.fewest(trial.short)
    rng = np.random.default_rng(trial.seed)
    panel = trial.panel(*rng.integers(rows, max(60, rows + 20), 3).tolist())
    closes, dates = random_walk(rows + 5, trial.seed)
    dates[5:] += 3 * DAY
    gapped = one_coin("gap", closes, dates, trial.model.columns)
    expected = model.forecast(panel, trial.short, trial.seed)
    known = model.forecast(replace(panel, even=True), trial.short, trial.seed)
    beside = model.forecast(join([panel, gapped]), trial.short, trial.seed)[:-1]
    require_same(expected, known, panel.coins, "where Panel.even is set", PURE)
    require_same(expected, beside, panel.coins, "beside a coin with a gap", ALONE)


RULES = (
    _forecasts,
    _forecasts_hours,
    _forecasts_nothing,
    _repeats,
    _depends_on_seed,
    _names_its_randomness,
    _scales,
    _leaves_its_input,
    _forecasts_each_alone,
    _minds_no_order,
    _minds_no_evenness,
)
