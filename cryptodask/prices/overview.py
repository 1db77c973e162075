"""What a source has of each coin: first and last date, bars, last close, and gaps."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from cryptodask.prices.frames.held import CoinRows
from cryptodask.prices.freq import step_of
from cryptodask.prices.partition import Source
from cryptodask.prices.table.price_table import PriceTable
from cryptodask.records import Panel

OVERVIEW_COLUMNS = ("coin", "symbol", "first", "last", "bars", "last_close", "gaps", "missing")


def list_coins(source: Source) -> pd.DataFrame:
    """Return what a source has of each coin.

    Of a table, rows and dates come from its index, last closes from the footers of its files, and
    only coins that lack bars are read. Files and frames are read, a partition at a time.

    Parameters
    ----------
    source : Source

    Returns
    -------
    DataFrame, ``(n_coins,)``
        ``coin``; ``symbol``, empty where it is not known; ``first`` and ``last`` date; ``bars``;
        ``last_close`` in the quote currency, USD by default; ``gaps``, how often bars are missing
        between two others; and ``missing``, how many. A coin without a row that can be read has
        no dates, and 0 bars.
    """
    step = step_of(source.freq)
    rows = _of_table(source, step) if isinstance(source, PriceTable) else _of_rows(source, step)
    joined = pd.concat([_nothing(), *rows], ignore_index=True)
    without = sorted({*source.coins, *source.empty} - set(joined["coin"]))
    joined = pd.concat([joined, _nothing(without)], ignore_index=True)
    symbols = {coin: symbol for symbol, coin in getattr(source, "symbols", {}).items()}
    joined["symbol"] = joined["coin"].map(symbols).astype("object").fillna("").astype("str")
    joined = joined.sort_values("coin", ignore_index=True)
    return joined[list(OVERVIEW_COLUMNS)]


def _nothing(coins: Sequence[str] = ()) -> pd.DataFrame:
    """Return rows of coins without prices."""
    dates = pd.Series(pd.NaT, index=range(len(coins)), dtype="datetime64[s]")
    return pd.DataFrame(
        {
            "coin": pd.Series(list(coins), dtype="str"),
            "first": dates,
            "last": dates,
            "bars": pd.Series(0, index=range(len(coins)), dtype="int64"),
            "last_close": pd.Series(np.nan, index=range(len(coins)), dtype="float64"),
            "gaps": pd.Series(0, index=range(len(coins)), dtype="int64"),
            "missing": pd.Series(0, index=range(len(coins)), dtype="int64"),
        }
    )


def _of_rows(source: Source, step: np.timedelta64) -> Iterable[pd.DataFrame]:
    for partition in source.partitions(source.coins):
        prices = partition.load(("close",)).prices
        held = CoinRows.of(prices)
        dates = prices["date"].to_numpy().astype("datetime64[s]")
        close = prices["close"].to_numpy(dtype=np.float64)
        yield _measure(Panel(held.coins, close, dates, held.edges, step))


def _of_table(table: PriceTable, step: np.timedelta64) -> Iterable[pd.DataFrame]:
    index = table.index
    first, last = (index[end].to_numpy().astype("datetime64[s]") for end in ("first", "last"))
    bars = np.round((last - first) / step).astype(np.int64) + 1
    has_gaps = bars != index["rows"].to_numpy()
    for partition in table.partitions(index["coin"][has_gaps].tolist()):
        yield _measure(partition.read_panel())
    even = index[~has_gaps].set_index("coin")
    for partition in table.partitions(even.index.tolist()):
        panel = partition.read_panel(1)
        of_coin = even.loc[list(panel.coins)]
        yield pd.DataFrame(
            {
                "coin": pd.Series(panel.coins, dtype="str"),
                "first": of_coin["first"].to_numpy().astype("datetime64[s]"),
                "last": of_coin["last"].to_numpy().astype("datetime64[s]"),
                "bars": of_coin["rows"].to_numpy(),
                "last_close": panel.values[panel.indptr[1:] - 1],
                "gaps": 0,
                "missing": 0,
            }
        )


def _measure(panel: Panel) -> pd.DataFrame:
    """Return the measures of coins from all of their rows."""
    starts, ends = panel.indptr[:-1], panel.indptr[1:] - 1
    lacks = np.zeros(len(panel.values) + 1, dtype=np.int64)
    lacks[1:-1] = np.round(np.diff(panel.dates) / panel.step).astype(np.int64) - 1
    lacks[panel.indptr] = 0  # what lies between two coins is none
    missing, gaps = (np.concatenate([[0], np.cumsum(x)]) for x in (lacks, lacks > 0))
    return pd.DataFrame(
        {
            "coin": pd.Series(panel.coins, dtype="str"),
            "first": panel.dates[starts],
            "last": panel.dates[ends],
            "bars": ends - starts + 1,
            "last_close": panel.values[ends],
            "gaps": gaps[ends + 1] - gaps[starts],
            "missing": missing[ends + 1] - missing[starts],
        }
    )
