"""No look-ahead: what a model forecast at a date must not depend on anything after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np

from cryptodask.errors import LookaheadError, OptionError
from cryptodask.evaluate.rolling import Rolling
from cryptodask.models.base import Model, PanelForecast
from cryptodask.models.fitting import check_horizon, run_model
from cryptodask.models.walks import random_panel
from cryptodask.records import Panel

ForecastAt = Callable[[Model, Panel, np.datetime64, int, int], PanelForecast]
"""From a model, a panel with rows after the cutoff, the cutoff, a horizon and a seed to what the
model makes of the rows up to the cutoff."""

SHARES = (0.5, 0.75, 0.9)
"""How far into the dates of a panel its cutoffs are, unless they are given."""


@dataclass(frozen=True)
class _Future:
    """A panel with other rows after the cutoffs, and what is other about them."""

    panel: Panel
    change: str


def forecast_at(
    model: Model, panel: Panel, cutoff: np.datetime64, horizon: int, seed: int = 0
) -> PanelForecast:
    """Forecast at a date, from copies of the rows up to it.

    Parameters
    ----------
    model : Model
    panel : Panel
        Of ``n_coins``; those with a row on the date are forecast.
    cutoff : datetime64
    horizon : int
        Bars ahead.
    seed : int

    Returns
    -------
    PanelForecast
        Prices ``(n_forecast, horizon)`` in the quote currency.
    """
    return run_model(model, _until(panel, cutoff), horizon, seed)


def check_lookahead(
    model: Model,
    panel: Panel | None = None,
    horizon: int = 10,
    seed: int = 0,
    *,
    cutoffs: Sequence[np.datetime64] | None = None,
    path: ForecastAt = forecast_at,
) -> int:
    """Check that a model's forecasts at a date do not depend on rows after it.

    At each cutoff the model is run on the panel cut off there, before it saw anything later. Then
    it sees the whole panel, and others whose later rows are altered: prices of another level,
    prices in another order, and more rows; after each of them it is run again by the same path on
    that panel at each cutoff, and must give the same bits. So a model is caught that keeps what it
    saw in an earlier run, and one that reads past the end of the arrays that it is given, where
    the path gives it views of longer ones. Coins are renamed for the check, so that nothing that
    was kept of them before hides what is kept now.

    Parameters
    ----------
    model : Model
    panel : Panel, optional
        Sound coins, ``(n_coins,)``, with some rows after the cutoffs; by default two seeded random
        walks that are long enough for the model.
    horizon : int
        Bars ahead.
    seed : int
        Of the forecasts, and of the panel unless it is given.
    cutoffs : sequence of datetime64, optional
        Dates of the panel; by default the dates at a half, three quarters and nine tenths of it.
    path : callable, optional
        What runs the model at a cutoff: that of a backtest, to check it with the model.

    Returns
    -------
    int
        How many forecasts were compared, each of one coin, ``(horizon,)``, at one cutoff.

    Raises
    ------
    LookaheadError
        A forecast changed; it names model, coin, cutoff, date and both values.
    OptionError
        No coin could be forecast at any of the cutoffs and has rows after it, so that nothing was
        checked.

    Examples
    --------
    >>> from cryptodask.models import create_model
    >>> check_lookahead(create_model("drift"))
    6
    """
    check_horizon(horizon)
    if not isinstance(model, Model):
        raise OptionError(f"model: must be an instance of a subclass of Model, got {model!r}")
    if panel is None:
        rows = 2 * model.min_length(horizon) + 60
        panel = random_panel([rows, rows - 5], seed, columns=model.columns)
    # The earliest first, so that none of these runs comes after one that saw later rows.
    origins = sorted(_default_cutoffs(panel) if cutoffs is None else cutoffs)
    mark = f" (check {uuid4().hex})"
    named = replace(panel, coins=tuple(coin + mark for coin in panel.coins))
    first = [path(model, _until(named, cutoff), cutoff, horizon, seed) for cutoff in origins]
    compared = 0
    for cutoff, alone in zip(origins, first, strict=True):
        for future in _futures(named, cutoff):
            run_model(model, future.panel, horizon, seed)
            again = path(model, future.panel, cutoff, horizon, seed)
            try:
                _compare(model, alone, again, cutoff, future.change)
            except LookaheadError as error:
                raise LookaheadError(str(error).replace(mark, "")) from None
        compared += _with_future(named, alone, cutoff)
    if not compared:
        raise OptionError(
            f"cutoffs: {model.name} could forecast no coin that has rows after it at any of "
            f"{', '.join(map(_day, origins)) or 'none'}, so nothing was checked; give more rows, "
            "or other cutoffs"
        )
    return compared


def _default_cutoffs(panel: Panel) -> list[np.datetime64]:
    dates = np.unique(panel.dates)
    return [dates[int(share * (len(dates) - 1))] for share in SHARES if len(dates)]


def _futures(panel: Panel, cutoff: np.datetime64) -> list[_Future]:
    """Return panels that are equal up to a cutoff, and differ after it."""
    after = panel.dates > cutoff
    level = np.where(after, panel.values * 3.0, panel.values)
    other = {name: np.where(after, column * 5.0, column) for name, column in panel.extra.items()}
    turned = panel.values.copy()
    for a, b in zip(panel.indptr[:-1], panel.indptr[1:], strict=True):
        late = a + np.flatnonzero(after[a:b])
        turned[late] = turned[late][::-1] * 0.5
    return [
        _Future(panel, "the rows after it"),
        _Future(replace(panel, values=level, extra=other), "the level of prices after it"),
        _Future(replace(panel, values=turned), "the order of prices after it"),
        _Future(_longer(replace(panel, values=level), 5), "how many rows there are after it"),
    ]


def _compare(
    model: Model, first: PanelForecast, again: PanelForecast, cutoff: np.datetime64, change: str
) -> None:
    """Raise if two forecasts at one cutoff are not the same bits."""
    here = f"{model.name} at {_day(cutoff)}"
    rule = (
        f"though only {change} changed; a forecast must depend on rows up to its cutoff alone, so "
        "let the model keep nothing between runs and read nothing but its panel"
    )
    changed = set(first.coins) ^ set(again.coins)
    if changed:
        raise LookaheadError(
            f"{min(changed)}: {here} could forecast it only once of two times, {rule}"
        )
    place = {coin: i for i, coin in enumerate(again.coins)}
    for i, coin in enumerate(first.coins):
        before, other = first.values[i], again.values[place[coin]]
        if not np.array_equal(before, other):
            step = int(np.flatnonzero(before != other)[0])
            raise LookaheadError(
                f"{coin}: {here} forecast {before[step]!r} for "
                f"{_day(first.dates[i, step])} and then {other[step]!r}, {rule}"
            )


def _with_future(panel: Panel, forecast: PanelForecast, cutoff: np.datetime64) -> int:
    """Return how many of the coins that were forecast have a row after the cutoff."""
    later = set(np.array(panel.coins, dtype=object)[panel.last_dates > cutoff])
    return len(later & set(forecast.coins))


def _until(panel: Panel, cutoff: np.datetime64) -> Panel:
    """Return copies of the rows up to a date, of the coins that have a row at it."""
    return Rolling(panel).at(cutoff).panel


def _longer(panel: Panel, rows: int) -> Panel:
    """Return the panel with more rows of each coin, at ever higher prices."""
    ahead = np.arange(1, rows + 1)
    return Panel.from_series(
        [
            (
                coin,
                np.concatenate([values, values[-1] * 1.5**ahead]),
                np.concatenate([dates, dates[-1] + ahead * panel.step]),
            )
            for coin, values, dates in panel
        ],
        panel.step,
        {
            name: [
                np.concatenate([amounts, np.full(rows, amounts[-1] * 7.0)])
                for amounts in np.split(column, panel.indptr[1:-1])
            ]
            for name, column in panel.extra.items()
        },
    )


def _day(date: np.datetime64) -> str:
    return str(np.datetime_as_string(date, unit="m")).removesuffix("T00:00")
