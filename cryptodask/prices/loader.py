"""`CryptoLoader`: prices of coins by name, from files, a table or a frame, in any form."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryptodask.errors import (
    NoPricesError,
    OptionError,
    PriceWarning,
    SampleWarning,
    UnknownCoinError,
)  # fmt: skip
from cryptodask.io.paths import path_of, resolved
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.clean.gaps import GapHandling, GapMode
from cryptodask.prices.days import Day
from cryptodask.prices.names import CoinNames
from cryptodask.prices.own import beside_prices
from cryptodask.prices.partition import Partition, Source
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.schema import empty_prices
from cryptodask.prices.shown import html_of, summary_of
from cryptodask.prices.sources import (
    Prices,
    asking_for,
    describe,
    no_rows_message,
    open_sample,
    open_source,
)  # fmt: skip
from cryptodask.records import FloatArray

if TYPE_CHECKING:
    import dask.dataframe as dd

SAMPLE = (
    "no source was given, so that this is the sample: 100 made-up coins of "
    "cryptodask.prices.synthetic, some of them broken on purpose; give a path or a frame"
)


class CryptoLoader:
    """Prices of many coins, from files, an imported table or a dataframe.

    Parameters
    ----------
    source : path, str or frame, optional
        A folder of files, of one coin each and named for it or of many that they name; one such
        file; a pattern such as ``data/*.csv``; a URL of these that fsspec knows, as ``s3://``; or
        a table that ``cryptodask prices import`` or `import_prices` made. Or a frame of pandas,
        polars, Arrow or Dask: long (columns ``coin``, ``date``, ``close`` and more, by their
        usual names), wide (a column a coin), or a series named for its coin, with dates as its
        index. A Dask frame stays on its cluster. Without a source it is a sample of made-up
        coins, and a warning says so.
    partitions : int, optional
        Number of partitions to pack the coins into. By default as the table was packed, or
        at least 16, of about 250,000 rows each. Forecasts do not depend on it.
    options : ReadOptions, optional
        What files or a frame leave open, such as the order of day and month, or the names of
        columns.

    Attributes
    ----------
    path : Path or None
        Of a folder, file or table on this machine.
    location : str or None
        Path, pattern or URL that opens the same prices; None of a frame and of the sample.

    Raises
    ------
    SourceError
        Folder, file or table is missing, or has no prices.
    InputError
        A frame is none of prices.
    OptionError
        ``partitions`` is below 1, or options are given for a table.

    Warns
    -----
    SampleWarning
        No source was given.

    Examples
    --------
    >>> loader = CryptoLoader("data")                       # doctest: +SKIP
    >>> loader.get_df("Bitcoin", from_date="2017-01-01")    # doctest: +SKIP
    >>> loader["Bitcoin"], "Bitcoin" in loader, len(loader) # doctest: +SKIP
    """

    def __init__(
        self,
        source: Prices | None = None,
        partitions: int | None = None,
        options: ReadOptions = DEFAULT_OPTIONS,
    ) -> None:
        if partitions is not None and partitions < 1:
            raise OptionError(f"partitions: must be at least 1, got {partitions}")
        self.n_partitions, self.options = partitions, options
        self.path: Path | None = None
        self.location: str | None = None
        if source is None:
            self.source: Source = open_sample()
            self._about = "sample of made-up coins"
            warnings.warn(SAMPLE, SampleWarning, stacklevel=2)
            return
        self.source = open_source(source, options)
        self._about = describe(self.source)
        if isinstance(source, str | Path):
            place = resolved(path_of(source))
            self.location = str(place)
            self.path = place if isinstance(place, Path) and place.exists() else None

    def __repr__(self) -> str:
        return f"CryptoLoader({summary_of(self.source, self._about)})"

    def _repr_html_(self) -> str:
        """Return a table of the first coins, for notebooks."""
        return html_of(self.source, summary_of(self.source, self._about))

    def __len__(self) -> int:
        """Return the number of coins."""
        return len(self.source.coins)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the coins, in order."""
        return iter(self.get_crypto_names())

    def __contains__(self, name: object) -> bool:
        """Return whether a name is that of a coin with prices; see `get_df`."""
        coin = self.names.find(name) if isinstance(name, str) else None
        return coin is not None and coin not in self.source.empty

    def __getitem__(self, coin: str) -> pd.DataFrame:
        """Return the rows of one coin; see `get_df`."""
        return self.get_df(coin)

    @property
    def names(self) -> CoinNames:
        """The names of the coins, to look them up."""
        symbols = getattr(self.source, "symbols", {})
        return CoinNames(self.source.coins, self.source.empty, symbols)

    @property
    def freq(self) -> str:
        """How long a bar lasts: 1h, 4h or 1d."""
        return self.source.freq

    def get_crypto_names(self) -> list[str]:
        """Return the names of the coins that have prices, in order."""
        return list(self.source.coins)

    def get_prices(
        self,
        coin: str,
        max_points: int | None = None,
        from_date: Day | None = None,
        to_date: Day | None = None,
    ) -> FloatArray:
        """Return the closes of one coin, oldest first.

        Parameters
        ----------
        coin : str
        max_points : int, optional
            Rows at most, the latest.
        from_date, to_date : day, optional
            First and last day, both included; see `get_df`.

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
            In the quote currency, USD by default.

        Raises
        ------
        UnknownCoinError, NoPricesError, OptionError
            As of `get_df`.
        """
        frame = self.get_df(coin, max_points, from_date, to_date)
        return frame["close"].to_numpy(dtype=np.float64)

    def get_df(
        self,
        coins: str | Sequence[str] | None = None,
        max_points: int | None = None,
        from_date: Day | None = None,
        to_date: Day | None = None,
        gaps: GapMode = "leave",
        gap_limit: int | None = None,
        columns: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Return rows as a pandas dataframe.

        Parameters
        ----------
        coins : str or sequence of str, optional
            One coin, several, or (by default) all; in any case, where that is one coin, or by
            symbol, where files have it.
        max_points : int, optional
            Rows a coin at most, the latest.
        from_date, to_date : day, optional
            First and last day, both included; a text is read in the forms that files may have,
            such as ``2017-09-22``.
        gaps : {"leave", "fill", "split"}
            Leave gaps between rows as they are; fill those of up to ``gap_limit`` bars with the
            close before them; or number the segments between them.
        gap_limit : int, optional
            For "fill", which needs it: missing bars at most. A longer gap stays.
        columns : sequence of str
            Columns of your own, by name; of files and frames, texts as ``static:NAME``.

        Returns
        -------
        DataFrame
            ``coin, date, open, high, low, close, volume, market_cap``, by coin and date; and by
            "fill" a column ``filled``, True where nobody quoted a price, or by "split" a column
            ``run``, the number of the row's segment, from 0 for each coin; then `columns`.

        Raises
        ------
        UnknownCoinError
            The source has no coin of that name.
        NoPricesError
            The source has that one coin, and not one row of it that can be read.
        OptionError
            A day or a number of points that makes no sense, or no such column.

        Warns
        -----
        PriceWarning
            Rows of a folder's files could not be read.
        """
        row_filter = RowFilter.of(
            max_points, from_date, to_date, GapHandling(gaps, gap_limit), self.freq
        )
        there, names = asking_for(self.source, columns)
        readings = [p.load() for p in there.partitions(self.check_names(coins), self.n_partitions)]
        left_out = sum(len(lost(reading.findings)) for reading in readings)
        if left_out:
            warnings.warn(
                f"{left_out} rows or files could not be read and were left out; the loader's "
                "findings() lists them",
                PriceWarning,
                stacklevel=2,
            )
        if isinstance(coins, str) and not any(len(r.prices) for r in readings):
            raise NoPricesError(no_rows_message(coins))
        frames = [beside_prices(row_filter(r.prices), r.further, names) for r in readings]
        empty = beside_prices(row_filter(empty_prices()), None, names)
        return pd.concat([empty, *frames], ignore_index=True)

    def get_ddf(
        self,
        coins: str | Sequence[str] | None = None,
        max_points: int | None = None,
        from_date: Day | None = None,
        to_date: Day | None = None,
        gaps: GapMode = "leave",
        gap_limit: int | None = None,
    ) -> "dd.DataFrame":
        """Return rows as a Dask dataframe, indexed by coin; nothing is read yet.

        Its divisions are coin names and every coin lies whole in one partition, so that
        ``ddf.loc["Bitcoin"]`` reads one partition and ``map_partitions`` sees whole coins.

        Parameters
        ----------
        coins, max_points, from_date, to_date, gaps, gap_limit
            As of `get_df`.

        Returns
        -------
        dask.dataframe.DataFrame
            The columns of `get_df`, but ``coin``, which is the index.

        Raises
        ------
        UnknownCoinError, OptionError
            As of `get_df`.
        """
        import dask
        import dask.dataframe as dd

        row_filter = RowFilter.of(
            max_points, from_date, to_date, GapHandling(gaps, gap_limit), self.freq
        )
        partitions = self.partitions(coins)
        # Dask would turn pandas' own strings into another string type, and frames that came over
        # the cluster would not equal those read here.
        with dask.config.set({"dataframe.convert-string": False}):
            return dd.from_map(
                _read_indexed,
                partitions,
                row_filter=row_filter,
                meta=row_filter(empty_prices()).set_index("coin"),
                divisions=(*(p.coins[0] for p in partitions), partitions[-1].coins[-1]),
                label="prices",
            )

    def partitions(self, coins: str | Sequence[str] | None = None) -> Sequence[Partition]:
        """Return the partitions that hold these coins, and only these.

        Parameters
        ----------
        coins : str or sequence of str, optional
            By default all.

        Raises
        ------
        UnknownCoinError
            The source has no coin of that name.
        """
        return self.source.partitions(self.check_names(coins), self.n_partitions)

    def findings(self) -> pd.DataFrame:
        """Return what was found in the files; see `cryptodask.prices.clean.findings`."""
        return self.source.findings()

    def check_names(self, coins: str | Sequence[str] | None = None) -> list[str]:
        """Return these coins, each once and in order, as the source writes them.

        Parameters
        ----------
        coins : str or sequence of str, optional
            By default all.

        Raises
        ------
        UnknownCoinError
            The source has no coin of that name.
        NoPricesError
            The source has that coin, and not one row of it.
        """
        if coins is None:
            return list(self.source.coins)
        given = [coins] if isinstance(coins, str) else list(coins)
        if not given:
            raise UnknownCoinError("coins: no coin given; name at least one, or leave it out")
        names = self.names
        return sorted({names.check(name) for name in given})


def _read_indexed(partition: Partition, *, row_filter: RowFilter) -> pd.DataFrame:
    return row_filter(partition.read()).set_index("coin")
