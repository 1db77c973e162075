"""What models on a declared feature space have in common."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features.market import Market
from cryptodask.features.rows import Rows
from cryptodask.features.space import Feature, FeatureSpace
from cryptodask.records import DAY, FloatArray, IntArray, Panel

ROWS_AT_ONCE = 2**17


def declared(model: str, features: str, target: str, normalise: str) -> FeatureSpace:
    """Return the space that a model's options declare.

    Parameters
    ----------
    model : str
        Its name, for the message.
    features, target, normalise : str
        See `cryptodask.features.space.FeatureSpace.parse`.

    Raises
    ------
    OptionError
        They can't be read; the message begins with the model's name.
    """
    try:
        return FeatureSpace.parse(features, target, normalise)
    except OptionError as error:
        raise OptionError(f"{model} {error}") from error


def check_alike(model: str, space: FeatureSpace) -> None:
    """Refuse features and targets that different coins can't be compared by.

    Parameters
    ----------
    model : str
        Its name, for messages.
    space : FeatureSpace

    Raises
    ------
    OptionError
        Closes are among the features as they are, or prices are the target.
    """
    if space.scaling.kind in ("none", "global"):
        levels = [f.text for f in space.features if f.name == "close"]
        if levels:
            raise OptionError(
                f"{model} features: {levels[0]} of different coins are not alike; "
                "normalise by window or coin, or leave it out"
            )
    if space.target.kind == "price":
        raise OptionError(
            f"{model} target: prices of different coins are not alike; use return, "
            "log_return or scaled, or a model of each coin as ridge_features"
        )


def check_named(model: str, space: FeatureSpace, coins: Collection[str]) -> None:
    """Check that the coins which features name are among those that are trained on.

    In a backtest, they may be so as of some dates only.

    Parameters
    ----------
    model : str
        Its name, for messages.
    space : FeatureSpace
    coins : collection of str

    Raises
    ------
    ForecastError
        One is not.
    """
    for feature in space.crosses:
        if feature.name == "coin" and feature.parameters[0] not in coins:
            raise ForecastError(
                f"{model} features: {feature.text}: no coin {feature.parameters[0]!r} "
                "is among those that are trained on; add it, or more rows of it, or leave "
                "the feature out"
            )


def some_at_a_time(panel: Panel, rows: int = ROWS_AT_ONCE) -> Iterator[IntArray]:
    """Yield positions of coins in groups, since features take memory.

    Parameters
    ----------
    panel : Panel
    rows : int
        Rows of a group, about.

    Yields
    ------
    ndarray of int64, ``(n_coins_of_group,)``
    """
    before = panel.indptr[:-1] // rows
    for chunk in np.split(np.arange(len(panel)), np.flatnonzero(np.diff(before)) + 1):
        if len(chunk):
            yield chunk


def latest_features(model: str, space: FeatureSpace, rows: Rows) -> FloatArray:
    """Return the features of each coin's last row; NaN where they are not known.

    Parameters
    ----------
    model : str
        Its name, for the message.
    space : FeatureSpace
    rows : Rows

    Returns
    -------
    ndarray of float64, ``(n_coins, n_columns)``

    Raises
    ------
    OptionError
        A feature depends on other coins, at a date after the last that they are known of.
    """
    panel, market = rows.panel, rows.market
    latest = space.compute(rows)[panel.indptr[1:] - 1]
    if space.crosses and market is not None and len(market.dates):
        late = panel.last_dates > market.dates[-1]
        if (late & ~np.isfinite(latest).all(axis=1)).any():
            ends = panel.last_dates[late][0], market.dates[-1]
            day, until = (_day(end, panel) for end in ends)
            raise OptionError(
                f"{model} features: {space.crosses[0].text} is not known on {day}, for the model "
                f"was trained on rows up to {until}; train it again (in a backtest at every "
                "origin, refit=1), or leave out the features that depend on other coins"
            )
    return latest


def missing_feature_error(
    model: str, space: FeatureSpace, panel: Panel, market: Market | None
) -> ForecastError | None:
    """Return the error that names the feature which is not known on the last day of alone coin.

    Parameters
    ----------
    model : str
        Its name, for the message.
    space : FeatureSpace
    panel : Panel
        Of alone coin, ``(1,)``.
    market : Market or None
        Features that depend on other coins count only where there is alone.
    """
    day = _day(panel.last_dates[0], panel)
    for feature in space.features:
        if feature.definition.crosses and market is None:
            continue
        alone = replace(space, features=(feature,))
        if not np.isfinite(alone.compute(alone.rows(panel, market))[-1]).all():
            source = _source_of(feature)
            if feature.definition.own_kind == "ahead":
                date = panel.last_dates[0] + int(feature.parameters[1]) * panel.step
                return ForecastError(
                    f"{panel.coins[0]}: {model}: {feature.text} is not known: {source} has no "
                    f"value on {_day(date, panel)}; add a row of that date, without a close where "
                    "there is none yet, or leave the feature out"
                )
            return ForecastError(
                f"{panel.coins[0]}: {model}: {feature.text} is not known on {day}; look at "
                f"{source} on that day and before, or leave the feature out"
            )
    return None


def check_own_size(model: str, space: FeatureSpace, values: FloatArray, most: float) -> FloatArray:
    """Return features, if those of a user's own columns are not too large for a model.

    Parameters
    ----------
    model : str
        Its name, for the message.
    space : FeatureSpace
    values : ndarray of float64, ``(n, n_columns)``
        Its features.
    most : float
        Beyond which the model takes a number for this.

    Raises
    ------
    OptionError
        A value of an own column is beyond, so that it would count as another.
    """
    owners = [feature for feature in space.features for _ in feature.columns]
    for place, feature in enumerate(owners):
        if feature.definition.own_kind is None:
            continue
        large = np.flatnonzero(np.abs(values[:, place]) > most)
        if len(large):
            raise OptionError(
                f"{model} features: {feature.text} is {values[large[0], place]:.10g} in a row, "
                f"and {model} takes numbers up to {most:,.0f}: normalise by window or coin (a "
                "fact is not normalised), or give the column in another unit"
            )
    return values


def _source_of(feature: Feature) -> str:
    """Return what a feature is made of, for a message."""
    name = feature.parameters[0] if feature.parameters else ""
    match feature.definition.named:
        case "coin":
            return f"the rows of {name}"
        case "column":
            return f"the column {name!r}"
        case "fact":
            return f"the fact {str(name).partition('=')[0]!r}, which must be one for all dates,"
    return ", ".join(feature.definition.columns) or "the prices"


def _day(date: np.datetime64, panel: Panel) -> str:
    return str(np.datetime_as_string(date, unit="D" if panel.step >= DAY else "m"))
