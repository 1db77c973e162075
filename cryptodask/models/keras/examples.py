"""What a network is trained on and forecasts from: windows of closes, with features beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features import FeatureSpace, denormalize, normalize, unbroken, windows
from cryptodask.models.lstm.inputs import Ahead, Measure, known_windows, space_of
from cryptodask.models.regression.declared import declared
from cryptodask.records import DateArray, FloatArray, FloatArray32, IntArray, Panel


@dataclass(frozen=True, eq=False)
class CoinRows:
    """The latest rows of a coin, with the features that its network sees of them.

    Attributes
    ----------
    closes : ndarray of float64, ``(n_rows,)``
        In the quote currency.
    dates : ndarray of datetime64[s], ``(n_rows,)``
    features : ndarray of float64, ``(n_rows, n_columns)``
        Without a column where none are declared.
    """

    closes: FloatArray
    dates: DateArray
    features: FloatArray

    @classmethod
    def of(cls, panel: Panel, i: int, space: FeatureSpace | None, most: int) -> "CoinRows":
        """Return the latest rows of a coin, whose features may depend on all of them.

        Parameters
        ----------
        panel : Panel
        i : int
            Place of the coin.
        space : FeatureSpace or None
        most : int
            Rows.
        """
        rows = slice(max(panel.indptr[i], panel.indptr[i + 1] - most), panel.indptr[i + 1])
        closes = panel.values[rows]
        features = np.empty((len(closes), 0))
        if space is not None:
            features = space.compute(space.rows(panel.take([i])))[-len(closes) :]
        return cls(closes, panel.dates[rows], features)

    @classmethod
    def join(cls, parts: "Sequence[CoinRows]") -> "CoinRows":
        """Return the rows of several coins, one after the other.

        Parameters
        ----------
        parts : sequence of CoinRows
        """
        closes, dates, features = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("closes", "dates", "features")
        )
        return cls(closes, dates, features)

    def without_dates(self) -> "CoinRows":
        """Return the same rows, once it is known where examples begin."""
        return replace(self, dates=self.dates[:0])

    def starts(self, window: int, outputs: int, step: np.timedelta64) -> IntArray:
        """Return the rows at which an example begins: no gap in it, and all features known.

        Parameters
        ----------
        window, outputs : int
            Rows seen, and rows after them that are predicted.
        step : timedelta64
            From a bar to the next.

        Returns
        -------
        ndarray of int64, ``(n,)``
        """
        usable = unbroken(self.dates, window + outputs, step)
        usable &= known_windows(self.features, window)[: len(usable)]
        return np.flatnonzero(usable)

    def examples(
        self, starts: IntArray, window: int, outputs: int, measure: Measure
    ) -> tuple[FloatArray32, FloatArray32]:
        """Return inputs ``(n, window, features)`` and targets ``(n, outputs)``.

        Parameters
        ----------
        starts : ndarray of int64, ``(n,)``
            Of `starts`.
        window, outputs : int
        measure : Measure
            Of the features.
        """
        views = windows(self.closes, window + outputs)[starts]
        growth = normalize(views, views[:, 0]).astype(np.float32)
        beside = measure(self.features[None])[0][starts[:, None] + np.arange(window)]
        x = np.concatenate([growth[:, :window, None], beside], axis=2)
        return x, np.ascontiguousarray(growth[:, window:])

    def trained_rows(self, starts: IntArray, window: int) -> FloatArray:
        """Return the features of all rows in windows, each once, ``(n, n_columns)``.

        Parameters
        ----------
        starts : ndarray of int64, ``(n,)``
        window : int
        """
        return self.features[np.unique(starts[:, None] + np.arange(window))]


def space_for(model: str, features: str, outputs: int) -> FeatureSpace | None:
    """Return the space that a network declares; None where it declares nothing.

    Parameters
    ----------
    model : str
        Its name, for the message.
    features : str
        See `cryptodask.features.space.FeatureSpace.parse`.
    outputs : int
        Bars that a call predicts. Of more than one, features may need more than closes, since the
        forecast need not be recursive.

    Raises
    ------
    OptionError
        It can't be read, or has a feature that can't be known.
    """
    if not features or outputs == 1:
        return space_of(model, features)
    space = declared(model, features, "price", "none")
    for feature in space.crosses:
        raise OptionError(
            f"{model} features: {feature.text} depends on other coins, and a network sees one; "
            "leave it out (pooled_linear has it)"
        )
    return space


def check_ahead(model: str, space: FeatureSpace | None, outputs: int, horizon: int) -> None:
    """Check that all features are known of all bars from which something is predicted.

    Raises
    ------
    OptionError
        One needs a column other than closes, of bars ahead.
    """
    for feature in space.features if space is not None and horizon > outputs else ():
        if feature.definition.columns:
            raise OptionError(
                f"{model} features: {feature.text} is not known of the bars ahead, and of a "
                f"horizon of {horizon} bars the network predicts {outputs} at a time; set "
                f"outputs={horizon}, or leave the feature out"
            )


class Windows:
    """The windows of the coins of a panel, from the last known bars into those ahead.

    Parameters
    ----------
    panel : Panel
        Of ``(n_coins,)``.
    window, outputs, horizon : int
    space : FeatureSpace or None
    measure : Measure
        Of each coin, or one for all of them.
    """

    def __init__(
        self,
        panel: Panel,
        window: int,
        outputs: int,
        horizon: int,
        space: FeatureSpace | None,
        measure: Measure,
    ) -> None:
        self._window, self._outputs, self._horizon = window, outputs, horizon
        latest = panel.indptr[1:, None] + np.arange(-window, 0)
        ahead = np.full((len(panel), horizon), np.nan)
        self._closes = np.concatenate([panel.values[latest], ahead], axis=1)
        self._done = 0
        self._ahead: Ahead | None = None
        self._beside = np.empty((len(panel), window, 0), dtype=np.float32)
        if space is not None and horizon > outputs:
            self._ahead = Ahead(space, panel, horizon, window, measure)
        elif space is not None:
            self._beside = measure(space.compute(space.rows(panel))[latest])

    @property
    def forecast(self) -> FloatArray:
        """Closes ahead, ``(n_coins, horizon)``, in the quote currency."""
        return self._closes[:, self._window :]

    def inputs(self) -> FloatArray32 | None:
        """Return what the network sees next, ``(n_coins, window, features)``; None at the end."""
        if self._done >= self._horizon:
            return None
        closes = self._closes[:, self._done : self._done + self._window]
        growth = normalize(closes, closes[:, 0]).astype(np.float32)[..., None]
        beside = self._ahead.inputs if self._ahead else self._beside
        return np.concatenate([growth, beside], axis=2)

    def move(self, predicted: FloatArray32) -> None:
        """Move on by the bars that the network has predicted.

        Parameters
        ----------
        predicted : ndarray of float32, ``(n_coins, outputs)``
            Growth over the first close of the window.
        """
        bases = self._closes[:, self._done]
        closes = denormalize(predicted.astype(np.float64), bases)
        start = self._window + self._done
        some = min(self._outputs, self._horizon - self._done)
        self._closes[:, start : start + some] = closes[:, :some]
        self._done += some
        if self._ahead and self._done < self._horizon:
            for k in range(some):
                self._ahead.move(closes[:, k])
