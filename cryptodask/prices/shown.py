"""What a loader shows of itself, as text and in notebooks."""

from cryptodask.charts import facts_html, table_html
from cryptodask.prices.freq import long_bars
from cryptodask.prices.partition import Source
from cryptodask.text import counted

SHOWN = 10
"""Coins that a notebook lists."""


def summary_of(source: Source, about: str) -> str:
    """Return how many coins a source has, how long bars last, and what it is.

    Parameters
    ----------
    source : Source
    about : str
        What holds its prices.
    """
    empty = len(source.empty)
    without = f", {counted(empty, 'coin')} without a row" if empty else ""
    coins = counted(len(source.coins), "coin")
    return f"{coins}, {long_bars(source.freq)}, {about}{without}"


def html_of(source: Source, summary: str) -> str:
    """Return what a source is, and its first coins; nothing is read.

    Parameters
    ----------
    source : Source
    summary : str
        To stand over it.
    """
    coins = table_html(["coin"], [[coin] for coin in source.coins[:SHOWN]],
                       len(source.coins) - SHOWN)  # fmt: skip
    return facts_html("CryptoLoader", {"prices": summary}) + coins
