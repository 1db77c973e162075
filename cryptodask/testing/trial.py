"""A model that is tried, panels that suit it, and how its forecasts are compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from cryptodask.models.base import Model, PanelForecast
from cryptodask.models.fitting import run_model
from cryptodask.models.pooled.base import PooledModel, train
from cryptodask.models.walks import random_panel, random_walk
from cryptodask.records import DAY, FloatArray, Panel

READ_ONLY = "forecast must leave its panel as it was; work on a copy"
PURE = "a forecast must depend on the panel, the horizon and the seed alone; keep nothing"
ALONE = (
    "a coin's forecast must not depend on the others in the panel, to the last bit; mind that "
    "sums and products of arrays may be added in another order for another number of coins"
)

DRAWN = 3
"""Panels that are drawn for a rule that any panel must obey."""


class BrokenRuleError(Exception):
    """A model breaks a rule; the message says by which values, and what to do."""


@dataclass(frozen=True)
class Trial:
    """A model that is tried, and how.

    Attributes
    ----------
    model : Model
    horizon : int
        The longest horizon, in bars.
    seed : int
        Of panels and forecasts.
    random : bool or None
        Whether forecasts depend on the seed; None if that is not known.
    max_coins : int
        The most coins of a panel that is drawn.
    """

    model: Model
    horizon: int = 25
    seed: int = 0
    random: bool | None = None
    max_coins: int = 5

    @property
    def short(self) -> int:
        """The usual horizon, in bars."""
        return min(3, self.horizon)

    @property
    def horizons(self) -> list[int]:
        """The shortest and the longest horizon, in bars."""
        return sorted({1, self.horizon})

    def fewest(self, horizon: int) -> int:
        """Return the fewest rows of a coin in a panel: two, or more if the model needs them.

        Parameters
        ----------
        horizon : int
            Bars ahead.
        """
        return max(self.model.min_length(horizon), 2)

    def panel(self, *lengths: int, horizon: int | None = None, gaps: bool = False) -> Panel:
        """Return coins of these rows, or more where the model needs them.

        Parameters
        ----------
        *lengths : int
            Rows of each coin, ``(n_coins,)``.
        horizon : int, optional
            Bars; by default the usual ones.
        gaps : bool
            Whether rows are days apart, up to those that the model needs without a gap.
        """
        rows = self.fewest(horizon or self.short)
        return random_panel(
            [max(length, rows) for length in lengths],
            self.seed,
            gaps=gaps,
            unbroken=rows + 1,
            columns=self.model.columns,
        )

    def drawn(self) -> Iterator[Panel]:
        """Yield panels of random lengths, with and without gaps.

        Yields
        ------
        Panel
            Of ``(n_coins,)``, `max_coins` at most.
        """
        rng = np.random.default_rng(self.seed)
        rows = self.fewest(self.short)
        for i in range(DRAWN):
            coins = int(rng.integers(1 if i else 2, max(self.max_coins, 2) + 1))
            yield random_panel(
                rng.integers(rows, max(60, rows + 20) + 1, coins).tolist(),
                int(rng.integers(2**20)),
                gaps=bool(i % 2),
                unbroken=rows,
                columns=self.model.columns,
            )

    def with_coin(self, panel: Panel, closes: FloatArray, coin: str) -> Panel:
        """Return the panel with one more coin, in front, a day from row to row.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        closes : ndarray of float64, ``(n_rows,)``
            In USD.
        coin : str
            Its name.
        """
        dates = random_walk(len(closes))[1]
        return join([one_coin(coin, closes, dates, self.model.columns), panel])

    def settled(self) -> Model:
        """Return what forecasts coin by coin: the model, or what it is after training."""
        if isinstance(self.model, PooledModel):
            model = self.model.for_horizon(max(self.horizons))
            return model.trained(train(model, self.panel(60, 40), self.seed))
        return self.model

    def forecast(self, panel: Panel, horizon: int | None = None) -> PanelForecast:
        """Forecast all coins of a panel by `run_model`, and require that none fails.

        Parameters
        ----------
        panel : Panel
        horizon : int, optional
            Bars; by default the usual ones.

        Returns
        -------
        PanelForecast
            Prices ``(n_coins, horizon)``.
        """
        forecast = run_model(self.model, panel, horizon or self.short, self.seed)
        for failure in forecast.failures:
            broken(
                f"{failure.coin} of {len(panel)} coins, all sound, has no forecast: "
                f"{failure.exception}: {failure.message}"
            )
        return forecast


def broken(message: str) -> NoReturn:
    """Raise `BrokenRuleError`.

    Parameters
    ----------
    message : str
    """
    raise BrokenRuleError(message)


def require(holds: object, message: str) -> None:
    """Raise `BrokenRuleError` unless something holds.

    Parameters
    ----------
    holds : object
        True if it does.
    message : str
    """
    if not holds:
        broken(message)


def require_same(
    expected: FloatArray, values: FloatArray, coins: Sequence[str], where: str, advice: str
) -> None:
    """Require that two arrays of forecasts are the same bits.

    Parameters
    ----------
    expected, values : ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency.
    coins : sequence of str
        Names, ``(n_coins,)``.
    where : str
        What the second is, as in "but 2.0 where the panel has other coins".
    advice : str
        The rule, and what to do.
    """
    if expected.shape != values.shape:
        broken(f"forecasts have shape {expected.shape}, but {values.shape} {where}; {advice}")
    for i, step in np.argwhere(~((expected == values) | (expected != expected)))[:1].tolist():
        broken(
            f"{coins[i]}: step {step + 1} is {float(expected[i, step])!r}, but "
            f"{float(values[i, step])!r} {where}; {advice}"
        )


def one_coin(
    coin: str, closes: FloatArray, dates: np.ndarray, columns: Sequence[str] = ()
) -> Panel:
    """Return a panel of one coin, with ones in all other columns.

    Parameters
    ----------
    coin : str
    closes : ndarray of float64, ``(n_rows,)``
        In USD.
    dates : ndarray of datetime64, ``(n_rows,)``
    columns : sequence of str
    """
    return Panel.from_series(
        [(coin, closes, dates)], extra={name: [np.ones(len(closes))] for name in columns}
    )


def join(panels: Sequence[Panel]) -> Panel:
    """Return one panel of the coins of several.

    Parameters
    ----------
    panels : sequence of Panel
        With the same columns, ``(n_coins,)`` each.
    """
    return Panel.from_series(
        (series for panel in panels for series in panel),
        panels[0].step,
        {
            name: [column for p in panels for column in np.split(p.extra[name], p.indptr[1:-1])]
            for name in panels[0].extra
        },
    )


def until(panel: Panel, rows: int) -> Panel:
    """Return the first rows of each coin.

    Parameters
    ----------
    panel : Panel
        Of ``(n_coins,)``, each with that many rows.
    rows : int
    """
    kept = np.arange(len(panel.values)) < np.repeat(panel.indptr[:-1] + rows, panel.lengths)
    extra = {name: column[kept] for name, column in panel.extra.items()}
    indptr = np.arange(len(panel) + 1) * rows
    return Panel(panel.coins, panel.values[kept], panel.dates[kept], indptr, extra=extra)


def in_bars(panel: Panel, step: np.timedelta64) -> Panel:
    """Return the same closes in bars of another length, as far apart in bars as in days.

    Parameters
    ----------
    panel : Panel
        Of ``(n_coins,)``.
    step : timedelta64
        From one bar to the next.
    """
    first = panel.dates.min()
    numbers = (panel.dates - first) // DAY
    return replace(panel, dates=first + numbers * step.astype("timedelta64[s]"), step=step)
