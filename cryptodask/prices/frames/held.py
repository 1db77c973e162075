"""Rows that are in memory, by coin and date, as partitions that carry them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.clean.findings import lost
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import NUMBER_COLUMNS


@dataclass(frozen=True)
class HeldPartition:
    """A partition that carries its rows, for workers that can't read them; see `Partition`."""

    coins: tuple[str, ...]
    reading: Reading
    rows: int
    freq: str
    paths: tuple[str, ...] = ()

    def read(self) -> pd.DataFrame:
        """Return the rows."""
        return self.reading.prices

    def load(self, columns: Sequence[str] | None = None) -> Reading:  # noqa: ARG002 - a Partition's
        """Return the rows, all columns, and the findings about them."""
        return self.reading


@dataclass(frozen=True)
class CoinRows:
    """Where the rows of each coin lie.

    Attributes
    ----------
    coins : tuple of str, ``(n_coins,)``
        In order.
    edges : ndarray of int64, ``(n_coins + 1,)``
        The rows of coin ``i`` are ``edges[i]`` to ``edges[i + 1] - 1``.
    """

    coins: tuple[str, ...]
    edges: NDArray[np.int64]

    @classmethod
    def of(cls, prices: pd.DataFrame) -> "CoinRows":
        """Return where the coins of rows lie that are by coin and date."""
        coin = prices["coin"].to_numpy(dtype=object)
        starts = np.flatnonzero(np.concatenate([[True], coin[1:] != coin[:-1]]))[: len(coin)]
        return cls(tuple(coin[starts]), np.append(starts, len(coin)).astype(np.int64))

    def of_span(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the places of the rows of some coins.

        Parameters
        ----------
        coins : sequence of str

        Returns
        -------
        ndarray of int64, ``(n_rows,)``
        """
        place = {coin: i for i, coin in enumerate(self.coins)}
        spans = [
            np.arange(self.edges[i], self.edges[i + 1])
            for i in (place.get(coin) for coin in coins)
            if i is not None
        ]
        return np.concatenate(spans) if spans else np.empty(0, dtype=np.int64)


def slice_reading(
    reading: Reading, coins: Sequence[str], rows: CoinRows, about: "pd.Series[bool]"
) -> Reading:
    """Return the rows of some coins of a reading, and findings.

    Parameters
    ----------
    reading : Reading
    coins : sequence of str
    rows : CoinRows
        Of the reading.
    about : Series of bool, ``(n_findings,)``
        Which of the findings.
    """
    places = rows.of_span(coins)
    prices = reading.prices.take(places).reset_index(drop=True)
    origin, changed = reading.origin, reading.changed
    if origin is not None:
        origin = origin.take(places).reset_index(drop=True)
    if changed is not None:
        changed = changed[changed["coin"].isin(coins)].reset_index(drop=True)
    further = reading.further
    if further is not None:
        further = further[further["coin"].isin(coins)].reset_index(drop=True)
    findings = reading.findings[about].reset_index(drop=True)
    return Reading(prices, findings, origin, changed, further=further)


def digest_coins(prices: pd.DataFrame, further: pd.DataFrame | None = None) -> dict[str, str]:
    """Return a digest of the rows of each coin.

    Parameters
    ----------
    prices : DataFrame
        Columns of the schema, by coin and date.
    further : DataFrame, optional
        Own columns, by coin and date.
    """
    rows = CoinRows.of(prices)
    dates = prices["date"].to_numpy().astype("datetime64[s]").astype("<i8")
    # Adding 0.0 makes one zero of two; of NaN there are many, and one is as good as another.
    values = prices[list(NUMBER_COLUMNS)].to_numpy(dtype="<f8") + 0.0
    values[np.isnan(values)] = np.nan
    # As text, in which facts are, too; numbers are written with all their digits.
    by_coin = {} if further is None else {str(coin): rows for coin, rows in further.groupby("coin")}
    digests = {}
    for coin, a, b in zip(rows.coins, rows.edges[:-1], rows.edges[1:], strict=True):
        content = hashlib.sha256(dates[a:b].tobytes())
        content.update(values[a:b].tobytes())
        if coin in by_coin:
            content.update(by_coin[coin].to_csv(index=False).encode())
        digests[coin] = content.hexdigest()
    return digests


def join_digests(digests: dict[str, str], freq: str, lost_rows: Iterable[str]) -> str:
    """Return one digest of all rows, the same whatever partitions they come from.

    Parameters
    ----------
    digests : dict of str to str
        By coin.
    freq : str
        How long a bar lasts.
    lost_rows : iterable of str
        What was left out, which a run reports.
    """
    lines = [f"{coin}\0{digests[coin]}" for coin in sorted(digests)]
    return hashlib.sha256("\n".join([freq, *lines, *sorted(lost_rows)]).encode()).hexdigest()


def lost_lines(findings: pd.DataFrame) -> list[str]:
    """Return a line for each finding that cost a row.

    Parameters
    ----------
    findings : DataFrame
        As of `cryptodask.prices.clean.findings.empty_findings`.
    """
    rows = lost(findings)[["kind", "coin", "line", "value"]]
    return ["\0".join(map(str, row)) for row in rows.itertuples(index=False)]
