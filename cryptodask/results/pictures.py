"""The charts of results: forecasts after closes, and the scores of a backtest. No files here."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.charts import Band, Chart, Line, Pane
from cryptodask.errors import OptionError, UnknownCoinError
from cryptodask.evaluate import compare, scores
from cryptodask.evaluate.reliability import ALL_PERIODS, count_held, reliability
from cryptodask.evaluate.rows import LEVELS
from cryptodask.prices import CryptoLoader
from cryptodask.prices.freq import step_of
from cryptodask.prices.names import CoinNames
from cryptodask.records import DateArray
from cryptodask.text import counted, shown_date, shown_names

QUOTE = "USD"
NO_CLOSES = "closes are not known: give prices="


def forecast_chart(
    rows: pd.DataFrame,
    models: Sequence[str],
    prices: CryptoLoader | None,
    last: int,
    log: bool,
) -> Chart:
    """Return the forecasts of one coin after its closes.

    Parameters
    ----------
    rows : DataFrame
        Forecasts of that coin, at least one row; see `cryptodask.results.Forecasts`.
    models : sequence of str
        All, whose places are their colours.
    prices : CryptoLoader or None
        Where the closes are.
    last : int
        Bars of closes before the cutoff.
    log : bool
        Whether prices are on a logarithmic axis.

    Raises
    ------
    OptionError
        ``last`` is below 1.
    """
    check_last(last)
    coin, cutoff = str(rows["coin"].iloc[0]), rows["cutoff"].max()
    closes = _closes(prices, coin, cutoff, last)
    marks: list[Line | Band] = []
    for place, model in enumerate(models):
        of_model = rows[rows["model"] == model].sort_values("date")
        if of_model.empty:
            continue
        begin = closes[closes["date"] == of_model["cutoff"].iloc[0]]
        marks += _bands(of_model, begin, place)
        marks.append(_path(of_model, begin, model, place))
    marks.insert(0, Line("close", _dates(closes["date"]), closes["close"].to_numpy()))
    lacking = [model for model in models if model not in set(rows["model"])]
    notes = [
        f"cutoff {shown_date(cutoff)}",
        f"to {shown_date(rows['date'].max())}",
        *([f"no forecast of {', '.join(lacking)}"] if lacking else []),
        *([NO_CLOSES] if closes.empty else []),
        *_not_on_log(marks, log),
    ]
    pane = Pane(tuple(marks), y_label=QUOTE, dates=True, log=log, moment=np.datetime64(cutoff, "s"))
    return Chart(coin, " · ".join(notes), (pane,))


def overlay_chart(
    rows: pd.DataFrame,
    models: Sequence[str],
    prices: CryptoLoader | None,
    last: int,
    log: bool,
) -> Chart:
    """Return what was forecast of one coin as of each origin, over what came.

    Parameters
    ----------
    rows : DataFrame
        A backtest of that coin, at least one row; see `cryptodask.evaluate.rows`.
    models, prices, last, log
        As of `forecast_chart`, with ``last`` bars before the first origin.

    Raises
    ------
    OptionError
        ``last`` is below 1.
    """
    check_last(last)
    coin, first = str(rows["coin"].iloc[0]), rows["cutoff"].min()
    closes = _closes(prices, coin, first, last)
    if closes.empty:
        came = rows[rows["actual"].notna()].drop_duplicates("date").sort_values("date")
        closes = came[["date"]].assign(close=came["actual"])
    marks: list[Line | Band] = [
        Line("close", _dates(closes["date"]), closes["close"].to_numpy(dtype=np.float64))
    ]
    for place, model in enumerate(models):
        for _, of_origin in rows[rows["model"] == model].groupby("cutoff"):
            begin = of_origin.assign(date=of_origin["cutoff"], close=of_origin["last"]).iloc[:1]
            marks.append(_path(of_origin.sort_values("date"), begin, model, place, dots=False))
    n_origins = rows["cutoff"].nunique()
    notes = [f"{counted(n_origins, 'origin')} from {shown_date(first)}", *_not_on_log(marks, log)]
    pane = Pane(tuple(marks), y_label=QUOTE, dates=True, log=log)
    return Chart(f"{coin}: forecasts over closes", " · ".join(notes), (pane,))


def scores_chart(
    parts: Iterable[pd.DataFrame], models: Sequence[str], origins: DateArray, horizon: int
) -> Chart:
    """Return the scores of a backtest: by step, by origin, and how often intervals held.

    Parameters
    ----------
    parts : iterable of DataFrame
        Whole coins with all their models; see `cryptodask.results.Backtest.coin_parts`.
    models : sequence of str
        Their places are their colours.
    origins : ndarray of datetime64[s], ``(n_origins,)``
    horizon : int
        Bars.

    Raises
    ------
    OptionError
        No forecast has an actual.
    """
    sums, apart, held = [], [], []
    for part in parts:
        sums.append(scores.sums(part))
        apart.append(compare.differences(part))
        held.append(count_held(part, origins[:1]))
    joined = pd.concat(sums, ignore_index=True) if sums else pd.DataFrame({"n": []})
    if not joined["n"].any():
        raise OptionError(
            "the backtest has no forecast with an actual, so there is nothing to draw"
        )
    by_step = scores.scores(joined, ("model", "step"))
    by_origin = compare.relative_errors(pd.concat(apart, ignore_index=True))
    panes = [
        Pane(
            _lines(by_step, models, "step", "relative_mae"),
            "Error by step, naive = 1 (geometric mean over coins)",
            "bars ahead", "relative MAE", level=1.0,
        ),
        Pane(
            _lines(by_origin, models, "cutoff", "relative_error"),
            "Error by origin, naive = 1", "", "relative error", dates=True, level=1.0,
        ),
        *_calibration(reliability(held), models),
    ]  # fmt: skip
    n_coins = joined["coin"].nunique()
    caption = " · ".join(
        [
            counted(n_coins, "coin"),
            f"{counted(len(origins), 'origin')} from {shown_date(pd.Timestamp(origins.min()))} to "
            f"{shown_date(pd.Timestamp(origins.max()))}",
            f"{counted(horizon, 'bar')} ahead",
        ]
    )
    drawn = tuple(pane for pane in panes if pane.marks)  # naive alone has no differences
    return Chart(f"Backtest of {shown_names(models, 6)}", caption, drawn)


def check_last(last: int) -> None:
    """Check a number of bars.

    Parameters
    ----------
    last : int

    Raises
    ------
    OptionError
        It is below 1.
    """
    if isinstance(last, bool) or not isinstance(last, int | np.integer) or last < 1:
        raise OptionError(f"last: must be a number of bars, at least 1, got {last!r}")


def _calibration(shares: pd.DataFrame, models: Sequence[str]) -> list[Pane]:
    """Return a pane of the shares inside the intervals, if there are intervals."""
    inside = shares[(shares["kind"] == "interval") & (shares["period"] == ALL_PERIODS)]
    if inside.empty:
        return []
    lines = _lines(inside, models, "nominal", "observed")
    ends = np.array([min(LEVELS), max(LEVELS)]) / 100
    title = "Actuals inside intervals, beside their level (black)"
    return [Pane((Line("level", ends, ends), *lines), title, "level", "inside", percent=True)]


def _lines(table: pd.DataFrame, models: Sequence[str], x: str, y: str) -> tuple[Line, ...]:
    rows = table.dropna(subset=[y]).sort_values(x)
    kept = [(i, m, rows[rows["model"] == m]) for i, m in enumerate(models)]
    return tuple(
        Line(model, _dates(of[x]) if x == "cutoff" else of[x].to_numpy(), of[y].to_numpy(), i, True)
        for i, model, of in kept
        if len(of)
    )


def _closes(
    prices: CryptoLoader | None, coin: str, cutoff: pd.Timestamp, last: int
) -> pd.DataFrame:
    """Return the closes of a coin from some bars before a date on: ``date, close``."""
    if prices is None or coin not in prices:
        return pd.DataFrame({"date": pd.Series(dtype="datetime64[s]"), "close": []})
    before = last * pd.Timedelta(step_of(prices.freq))
    # Days, since rows are chosen by days; of shorter bars, some are cut here.
    rows = prices.get_df(coin, from_date=(cutoff - before).normalize())
    return rows.loc[rows["date"] > cutoff - before, ["date", "close"]]


def _path(
    rows: pd.DataFrame, begin: pd.DataFrame, model: str, place: int, dots: bool = True
) -> Line:
    """Return a forecast as a line from the close at its cutoff, where that is known."""
    x = pd.concat([begin["date"], rows["date"]])
    y = pd.concat([begin["close"], rows["forecast"]])
    return Line(model, _dates(x), y.to_numpy(dtype=np.float64), place, dots and len(rows) <= 31)


def _bands(rows: pd.DataFrame, begin: pd.DataFrame, place: int) -> list[Band]:
    x = _dates(pd.concat([begin["date"], rows["date"]]))
    bands = []
    for level in sorted(LEVELS, reverse=True):
        if f"lower_{level}" in rows:
            low, high = (
                pd.concat([begin["close"], rows[f"{end}_{level}"]]).to_numpy(dtype=np.float64)
                for end in ("lower", "upper")
            )
            bands.append(Band(x, low, high, place))
    return bands


def _not_on_log(marks: Sequence[Line | Band], log: bool) -> list[str]:
    """Return how many values a logarithmic axis leaves out, where it does."""
    values = [m.y if isinstance(m, Line) else m.low for m in marks]
    n = sum(int((value <= 0).sum()) for value in values) if log else 0
    return [f"{counted(n, 'value')} at or below 0 not drawn"] if n else []


def _dates(column: Any) -> Any:
    return column.to_numpy().astype("datetime64[s]")


def rows_of_coin(parts: Iterable[pd.DataFrame], coin: str | None, what: str) -> pd.DataFrame:
    """Return the rows of one coin; no more than a part is in memory.

    Parameters
    ----------
    parts : iterable of DataFrame
        With a column ``coin``.
    coin : str or None
        In any case, where that is one coin; None for the first in the alphabet.
    what : str
        What has the rows, for messages.

    Raises
    ------
    UnknownCoinError
        No coin has that name, or none is there; the message names coins that there are.
    """
    known: set[str] = set()
    kept = []
    for part in parts:
        names = part["coin"]
        coins = names.unique()
        known.update(coins)
        wanted = [min(coins)] if coin is None and len(coins) else _alike(coin, coins)
        kept.append(part[names.isin(wanted)])
    if not known:
        raise UnknownCoinError(f"{what}: hold no coin, so there is nothing to draw; see failures")
    name = min(known) if coin is None else CoinNames(sorted(known), {}).find(coin)
    if name is None:
        near = difflib.get_close_matches(str(coin), known, n=3, cutoff=0.5) or sorted(known)[:3]
        raise UnknownCoinError(
            f"coin: {what} hold no {coin!r}; they hold {counted(len(known), 'coin')}, such as "
            f"{', '.join(map(repr, near))}"
        )
    rows = pd.concat(kept, ignore_index=True)
    return rows[rows["coin"] == name]


def _alike(coin: str | None, coins: Iterable[str]) -> list[str]:
    return [name for name in coins if coin is not None and name.casefold() == coin.casefold()]
