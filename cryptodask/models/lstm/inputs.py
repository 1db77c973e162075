"""What the LSTM sees of a bar beside its close: declared features, in each coin's own measure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features import FeatureSpace, windows
from cryptodask.features.rows import last_segment
from cryptodask.models.regression.declared import declared, some_at_a_time
from cryptodask.models.regression.ridge_features import STILL
from cryptodask.records import BoolArray, FloatArray, FloatArray32, IntArray, Panel


def space_of(model: str, features: str) -> FeatureSpace | None:
    """Return the space that a recursive model declares; None where it declares nothing.

    Parameters
    ----------
    model : str
        Its name, for the message.
    features : str
        See `cryptodask.features.space.FeatureSpace.parse`.

    Raises
    ------
    OptionError
        It can't be read, or has a feature that does not follow from closes and the calendar.
    """
    if not features:
        return None
    space = declared(model, features, "price", "none")
    for feature in space.features:
        if feature.definition.crosses or feature.reads:
            pooled = feature.definition.crosses or feature.definition.own_kind == "static"
            others = "pooled_linear has" if pooled else "ridge_features has"
            raise OptionError(
                f"{model} features: {feature.text} is not known of the bars ahead: a forecast is "
                "recursive, each predicted close enters the next window, and of those bars "
                f"nothing else is predicted; leave it out ({others} it, for each step ahead is "
                "predicted from known bars there)"
            )
    return space


@dataclass(frozen=True)
class Measure:
    """By what each coin's features become alike: less their mean, over their deviation.

    Attributes
    ----------
    mean, deviation : ndarray of float64, ``(n_coins, n_columns)``
        Of the bars that the coin's network was trained on. The deviation is infinite where there
        is none, so that a feature which did not vary is 0.
    """

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, features: FloatArray) -> "Measure":
        """Return the measure of one coin from its bars' features.

        Parameters
        ----------
        features : ndarray of float64, ``(n, n_columns)``
        """
        mean = features.mean(axis=0)
        off = features - mean
        deviation = np.sqrt((off * off).mean(axis=0))
        varies = deviation > STILL * np.maximum(1.0, np.abs(mean))
        return cls(mean[None], np.where(varies, deviation, np.inf)[None])

    @classmethod
    def stack(cls, measures: Sequence["Measure"]) -> "Measure":
        """Return the measures of many coins, in this order.

        Parameters
        ----------
        measures : sequence of Measure
        """
        return cls(
            np.concatenate([measure.mean for measure in measures]),
            np.concatenate([measure.deviation for measure in measures]),
        )

    def __call__(self, features: FloatArray) -> FloatArray32:
        """Return features as inputs of the network, ``(n_coins, n, n_columns)``."""
        scaled = (features - self.mean[:, None]) / self.deviation[:, None]
        return scaled.astype(np.float32)


def known_windows(features: FloatArray, window: int) -> BoolArray:
    """Return the windows in whose rows all features are known, of those with a row after them.

    Parameters
    ----------
    features : ndarray of float64, ``(n_rows, n_columns)``
    window : int
        Rows.

    Returns
    -------
    ndarray of bool, ``(max(n_rows - window, 0),)``
    """
    known: BoolArray = np.logical_and.reduce(np.isfinite(features), axis=1)
    views = windows(known.astype(np.float64), window + 1)
    complete: BoolArray = np.logical_and.reduce(views[:, :-1] == 1, axis=1)
    return complete


def beside_closes(
    features: FloatArray, starts: IntArray, window: int, trained: int
) -> tuple[FloatArray32, Measure]:
    """Return what one coin's windows hold beside closes.

    Parameters
    ----------
    features : ndarray of float64, ``(n_rows, n_columns)``
    starts : ndarray of int64, ``(n,)``
        The row at which each window begins, in order.
    window : int
    trained : int
        How many of the windows, the first ones, are trained on: the measure is of their rows
        alone, each row counted once.

    Returns
    -------
    inputs : ndarray of float32, ``(n, window, n_columns)``
    measure : Measure
        Of this one coin.
    """
    rows = starts[:, None] + np.arange(window)
    measure = Measure.of(features[np.unique(rows[:trained])])
    return measure(features[None])[0][rows], measure


class Ahead:
    """The features of windows that move into the bars ahead, of all coins of a panel together.

    A bar's features follow from the closes of its segment up to it, those ahead as they are
    predicted; some, as exponential averages, from all of the segment. Those of known bars stay.

    Parameters
    ----------
    space : FeatureSpace
        Of features that follow from closes and the calendar.
    panel : Panel
    horizon : int
    window : int
    measure : Measure
        Of the panel's coins.
    """

    def __init__(
        self, space: FeatureSpace, panel: Panel, horizon: int, window: int, measure: Measure
    ) -> None:
        self._space, self._measure = space, measure
        self._panel = _with_bars_ahead(panel, horizon)
        self._next = self._panel.indptr[1:] - horizon
        known = self._at(self._next[:, None] + np.arange(-window, 0))
        self.inputs: FloatArray32 = measure(known)

    def move(self, closes: FloatArray) -> None:
        """Move the windows on by a bar, with its predicted closes.

        Parameters
        ----------
        closes : ndarray of float64, ``(n_coins,)``
            In the quote currency.
        """
        self._panel.values[self._next] = closes
        latest = self._measure(self._at(self._next[:, None]))
        self.inputs = np.concatenate([self.inputs[:, 1:], latest], axis=1)
        self._next = self._next + 1

    def _at(self, rows: IntArray) -> FloatArray:
        """Return the features of rows of each coin, ``(n_coins, n, n_columns)``."""
        features = np.empty((*rows.shape, len(self._space.names)))
        for chosen in some_at_a_time(self._panel):
            rows_of_group = rows[chosen] - self._panel.indptr[chosen[0]]
            with np.errstate(all="ignore"):  # closes of 0 or below make NaN, reported later
                known = self._space.compute(self._space.rows(self._panel.take(chosen)))
            features[chosen] = known[rows_of_group]
        return features


def _with_bars_ahead(panel: Panel, horizon: int) -> Panel:
    """Return each coin's last segment without a gap, and bars ahead, whose closes are to come."""
    dates = panel.future_dates(horizon)
    segments = zip(panel.coins, last_segment(panel), panel.indptr[1:], dates, strict=True)
    return Panel.from_series(
        (
            (
                coin,
                np.append(panel.values[start:end], np.repeat(panel.values[end - 1], horizon)),
                np.append(panel.dates[start:end], ahead),
            )
            for coin, start, end, ahead in segments
        ),
        panel.step,
    )
