"""What members would have forecast at past origins of each coin, for models that weigh members.

An origin is a row of a coin. A member sees the rows up to it and is compared with those after it,
which are in the panel: nothing after a coin's last row is ever seen.
"""

from collections.abc import Sequence

import numpy as np

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features.rows import rows_on
from cryptodask.models.base import Model
from cryptodask.models.fitting import run_model
from cryptodask.models.pooled.base import is_pooled
from cryptodask.records import DateArray, FloatArray, Panel


def create_members(model: str, names: Sequence[str], fewest: int) -> tuple[Model, ...]:
    """Create the members of a model by their names in the catalog, with default options.

    Parameters
    ----------
    model : str
        The model's name, for messages.
    names : sequence of str
        Of the members.
    fewest : int
        How many there must be.

    Raises
    ------
    OptionError
        There are too few or one twice, or one is pooled, or has members itself.
    UnknownModelError
        The catalog has no such model.
    """
    from cryptodask.models.catalog import build_model, is_own

    if len(names) < fewest:
        raise OptionError(f"{model} members: must be at least {fewest}, got {', '.join(names)!r}")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise OptionError(f"{model} members: {', '.join(twice)} given twice; give each once")
    members = []
    for name in names:
        if name in ("ensemble", "auto"):
            raise OptionError(f"{model} members: {name} has members itself; name others")
        if is_own(name):  # workers make members by their names, and import nothing by those
            raise OptionError(
                f"{model} members: {name} is of your own code, and members are models of the "
                "catalog; name others, or make yours an entry point of a package"
            )
        member = build_model(name, {})
        if is_pooled(member):
            raise OptionError(
                f"{model} members: {name} is trained on all coins together, members on one each; "
                "name others"
            )
        members.append(member)
    return tuple(members)


def forecast_with(
    member: Model, panel: Panel, horizon: int, seed: int
) -> tuple[FloatArray, dict[str, str]]:
    """Forecast every coin that a member can forecast.

    Parameters
    ----------
    member : Model
    panel : Panel
    horizon : int
        How far ahead, in bars.
    seed : int

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency; NaN for coins that it can't forecast.
    dict of str to str
        Why each of the others could not be.
    """
    result = run_model(member, panel, horizon, seed)
    values = np.full((len(panel), horizon), np.nan)
    place = {coin: i for i, coin in enumerate(panel.coins)}
    values[[place[coin] for coin in result.coins]] = result.values
    return values, {failure.coin: failure.message for failure in result.failures}


def forecast_with_all(
    members: Sequence[Model], panel: Panel, horizon: int, seed: int
) -> FloatArray:
    """Forecast with every member.

    Parameters
    ----------
    members : sequence of Model
    panel : Panel
    horizon : int
        How far ahead, in bars.
    seed : int

    Returns
    -------
    ndarray of float64, ``(n_members, n_coins, horizon)``
        Prices in the quote currency.

    Raises
    ------
    ForecastError
        A member can't forecast a coin.
    """
    values = np.empty((len(members), len(panel), horizon))
    for k, member in enumerate(members):
        values[k], failed = forecast_with(member, panel, horizon, seed)
        for coin, message in failed.items():
            raise ForecastError(f"{coin}: member {member.name}: {message}")
    return values


def past_errors(
    members: Sequence[Model], panel: Panel, horizon: int, inner: int, seed: int
) -> FloatArray:
    """Return how far off members were at past origins.

    Origins are ``horizon`` rows apart, the latest one ``horizon`` rows before the coin's last.

    Parameters
    ----------
    members : sequence of Model
    panel : Panel
    horizon : int
        How far ahead, in bars.
    inner : int
        Past origins.
    seed : int

    Returns
    -------
    ndarray of float64, ``(inner, n_members, n_coins, horizon)``
        The log of forecast over close. NaN where a coin has no such origin or no row at that bar,
        and where the member could not forecast it, or forecast 0 or less.
    """
    errors = np.full((inner, len(members), len(panel), horizon), np.nan)
    for k in range(inner):
        back = (k + 1) * horizon
        kept = np.flatnonzero(panel.lengths > back)
        if not len(kept):
            break
        older = panel.take(kept)
        past = _without_last(older, back)
        actual = _closes_at(older, past.future_dates(horizon))
        for m, member in enumerate(members):
            forecast, _ = forecast_with(member, past, horizon, seed)
            # A forecast of 0 or less has no log.
            usable = np.where(forecast > 0, forecast, np.nan)
            errors[k, m, kept] = np.log(usable) - np.log(actual)
    return errors


def _without_last(panel: Panel, rows: int) -> Panel:
    """Return every coin without its last rows; it has more than these."""
    kept = np.arange(len(panel.values)) < np.repeat(panel.indptr[1:] - rows, panel.lengths)
    indptr = panel.indptr - rows * np.arange(len(panel) + 1)
    extra = {name: column[kept] for name, column in panel.extra.items()}
    return Panel(
        panel.coins, panel.values[kept], panel.dates[kept], indptr, panel.step, extra=extra
    )


def _closes_at(panel: Panel, dates: DateArray) -> FloatArray:
    """Return each coin's close at each of its dates, ``(n_coins, n)``; NaN where there is none."""
    rows = rows_on(panel, dates)
    return np.where(rows >= 0, panel.values[rows], np.nan)
