"""What a loader shows of itself, as text and in notebooks."""

from html import escape

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
    """Return a table of the first coins.

    Parameters
    ----------
    source : Source
    summary : str
        To stand over it.
    """
    rows = "".join(f"<tr><td>{escape(coin)}</td></tr>" for coin in source.coins[:SHOWN])
    more = len(source.coins) - SHOWN
    rest = f"<tr><td>… and {more:,} more</td></tr>" if more > 0 else ""
    return (
        f"<p>CryptoLoader: {escape(summary)}</p>"
        f"<table><thead><tr><th>coin</th></tr></thead><tbody>{rows}{rest}</tbody></table>"
    )
