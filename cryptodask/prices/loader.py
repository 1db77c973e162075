"""`CryptoLoader`: prices of coins by name, from a folder of files or a table, in any form."""

import difflib
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryptodask.errors import (
    NoPricesError,
    OptionError,
    PriceWarning,
    SourceError,
    UnknownCoinError,
)
from cryptodask.prices.clean.findings import join_findings, lost
from cryptodask.prices.clean.gaps import Gaps, How
from cryptodask.prices.freq import DAILY, step_of
from cryptodask.prices.read.layouts import DEFAULT, ReadOptions
from cryptodask.prices.read.parse import parse_days
from cryptodask.prices.read.readers import Reading
from cryptodask.prices.schema import empty_prices
from cryptodask.prices.sources import FolderSource, Partition, Source, partitions_for
from cryptodask.prices.table.price_table import PriceTable, is_table, write_table
from cryptodask.prices.table.storage import is_free
from cryptodask.records import DAY, FloatArray, Panel

if TYPE_CHECKING:
    import dask.dataframe as dd

Day = str | date | np.datetime64 | pd.Timestamp


class CryptoLoader:
    """Prices of many coins, from a folder of CSV files or from an imported table.

    Parameters
    ----------
    source : path
        A folder of files, of one coin each and named for it or of many that they name; or a table
        that ``cryptodask prices import`` or `import_prices` made.
    partitions : int, optional
        Into how many partitions to pack the coins. By default as the table was packed, or for a
        folder at least 16 and about 250,000 rows each. Forecasts do not depend on it.
    options : ReadOptions, optional
        What the files of a folder do not tell themselves: the order of day and month, say.

    Raises
    ------
    SourceError
        There is no folder or table there, or no file of prices in it.
    OptionError
        ``partitions`` is below 1, or options are given for a table.

    Examples
    --------
    >>> loader = CryptoLoader("data")                       # doctest: +SKIP
    >>> loader.get_df("Bitcoin", from_date="2017-01-01")    # doctest: +SKIP
    """

    def __init__(
        self,
        source: str | Path,
        partitions: int | None = None,
        options: ReadOptions = DEFAULT,
    ) -> None:
        if partitions is not None and partitions < 1:
            raise OptionError(f"partitions: must be at least 1, got {partitions}")
        self.n_partitions = partitions
        self.path, self.options = Path(source), options
        self.source = open_source(source, options)

    def __repr__(self) -> str:
        return f"CryptoLoader({len(self.source.coins)} coins)"

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
        """Return the closes of one coin, oldest first, in the quote currency, ``(n_rows,)``.

        The parameters are those of `get_df`.
        """
        frame = self.get_df(coin, max_points, from_date, to_date)
        return frame["close"].to_numpy(dtype=np.float64)

    def get_df(
        self,
        coins: str | Sequence[str] | None = None,
        max_points: int | None = None,
        from_date: Day | None = None,
        to_date: Day | None = None,
        gaps: How = "leave",
        gap_limit: int | None = None,
    ) -> pd.DataFrame:
        """Return rows as a pandas dataframe.

        Parameters
        ----------
        coins : str or sequence of str, optional
            One coin, several, or (by default) all.
        max_points : int, optional
            At most so many rows a coin, the latest.
        from_date, to_date : day, optional
            First and last day, both included; a text is read in the forms that files may have,
            such as ``2017-09-22``.
        gaps : {"leave", "fill", "split"}
            Leave gaps between rows as they are; fill those of up to ``gap_limit`` bars with the
            close before them; or number the runs between them.
        gap_limit : int, optional
            For "fill", which needs it: missing bars at most. A longer gap stays.

        Returns
        -------
        DataFrame
            ``coin, date, open, high, low, close, volume, market_cap``, by coin and date; and by
            "fill" a column ``filled``, True where nobody quoted a price, or by "split" a column
            ``run``, the number from 0 of the run of a coin that a row is in.

        Raises
        ------
        UnknownCoinError
            The source has no coin of that name.
        NoPricesError
            The source has that one coin, and not one row of it that can be read.
        OptionError
            A day or a number of points that makes no sense.

        Warns
        -----
        PriceWarning
            Rows of a folder's files could not be read.
        """
        cut = RowFilter.of(max_points, from_date, to_date, Gaps(gaps, gap_limit), self.freq)
        readings = [p.load() for p in self.partitions(coins)]
        left_out = sum(len(lost(reading.findings)) for reading in readings)
        if left_out:
            warnings.warn(
                f"{left_out} rows or files could not be read and were left out; the loader's "
                "findings() lists them",
                PriceWarning,
                stacklevel=2,
            )
        frames = [reading.prices for reading in readings]
        if isinstance(coins, str) and not any(map(len, frames)):
            raise NoPricesError(no_rows_message(coins))
        return pd.concat([cut(empty_prices()), *map(cut, frames)], ignore_index=True)

    def get_ddf(
        self,
        coins: str | Sequence[str] | None = None,
        max_points: int | None = None,
        from_date: Day | None = None,
        to_date: Day | None = None,
        gaps: How = "leave",
        gap_limit: int | None = None,
    ) -> "dd.DataFrame":
        """Return rows as a Dask dataframe, indexed by coin; nothing is read yet.

        Its divisions are coin names and every coin lies whole in one partition, so that
        ``ddf.loc["Bitcoin"]`` reads one partition and ``map_partitions`` sees whole coins. The
        parameters are those of `get_df`.
        """
        import dask
        import dask.dataframe as dd

        cut = RowFilter.of(max_points, from_date, to_date, Gaps(gaps, gap_limit), self.freq)
        partitions = self.partitions(coins)
        # Dask would turn pandas' own strings into another string type, and frames that came over
        # the cluster would not equal those read here.
        with dask.config.set({"dataframe.convert-string": False}):
            return dd.from_map(
                _read_indexed,
                partitions,
                cut=cut,
                meta=cut(empty_prices()).set_index("coin"),
                divisions=(*(p.coins[0] for p in partitions), partitions[-1].coins[-1]),
                label="prices",
            )

    def partitions(self, coins: str | Sequence[str] | None = None) -> Sequence[Partition]:
        """Return the partitions that hold these coins (by default all), and only these.

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
        """Return these coins (by default all), each once and in order.

        Raises
        ------
        UnknownCoinError
            The source has no coin of that name.
        NoPricesError
            The source has that coin, and not one row of it.
        """
        if coins is None:
            return list(self.source.coins)
        names = [coins] if isinstance(coins, str) else list(coins)
        if not names:
            raise UnknownCoinError("coins: no coin given; name at least one, or leave it out")
        known = set(self.source.coins)
        for name in names:
            if name in known:
                continue
            if name in self.source.empty:
                raise NoPricesError(self.source.empty[name])
            near = difflib.get_close_matches(name, self.source.coins, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else "get_crypto_names() lists them"
            raise UnknownCoinError(
                f"{name!r}: no coin of that name among the {len(known)} of the source; {hint}"
            )
        return sorted(set(names))


@dataclass(frozen=True)
class RowFilter:
    """Which rows of each coin to keep: a range of days, then the latest so many.

    Gaps are dealt with between the two, so that rows that were filled in count.
    """

    max_points: int | None
    first: np.datetime64
    last: np.datetime64
    gaps: Gaps = field(default_factory=Gaps)
    freq: str = DAILY

    @classmethod
    def of(
        cls,
        max_points: int | None,
        from_date: Day | None,
        to_date: Day | None,
        gaps: Gaps | None = None,
        freq: str = DAILY,
    ) -> "RowFilter":
        """Check what a user asked for.

        Raises
        ------
        OptionError
            It makes no sense.
        """
        if max_points is not None and max_points < 1:
            raise OptionError(f"max_points: must be at least 1, got {max_points}")
        first = read_day("from_date", from_date, "0001-01-01")
        # To the last second of that day, for bars that are shorter than it.
        last = read_day("to_date", to_date, "9999-12-30") + (DAY - np.timedelta64(1, "s"))
        if first > last:
            raise OptionError(f"from_date: {from_date} is after to_date: {to_date}")
        return cls(max_points, first, last, gaps or Gaps(), freq)

    @property
    def is_whole(self) -> bool:
        """Whether all rows are kept as they are."""
        return self == RowFilter.of(None, None, None, freq=self.freq)

    @property
    def splits(self) -> bool:
        """Whether models see of each coin only the rows after its last gap."""
        return self.gaps.how == "split"

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a price frame that are kept."""
        dates = frame["date"].to_numpy()
        inside = (dates >= self.first) & (dates <= self.last)
        kept = frame if inside.all() else frame[inside]
        kept = self.gaps(kept.reset_index(drop=True), self.freq)
        if self.max_points is not None:
            kept = kept.groupby("coin", sort=False).tail(self.max_points)
        return kept.reset_index(drop=True)


def open_source(path: str | Path, options: ReadOptions = DEFAULT) -> Source:
    """Open a folder of files or a table.

    Raises
    ------
    SourceError
        It is neither.
    OptionError
        Options are given for a table, whose files were read already.
    """
    place = Path(path)
    if is_table(place):
        if options != DEFAULT:
            raise OptionError(
                f"options: {path} is a table, whose files were read when it was imported; give "
                "them to the import"
            )
        return PriceTable(place)
    if place.is_dir():
        return FolderSource(place.resolve(), options)
    what = "is a file" if place.exists() else "does not exist"
    raise SourceError(f"{path}: {what}; give a folder of price files, or a table made from one")


def import_prices(
    folder: str | Path,
    out: str | Path,
    *,
    partitions: int | None = None,
    overwrite: bool = False,
    options: ReadOptions = DEFAULT,
    run: Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]] = map,
) -> PriceTable:
    """Read a folder of price files and write them as one partitioned table.

    Parameters
    ----------
    folder : path
        Files, of one coin each or of many.
    out : path
        Where to write the table.
    partitions : int, optional
        Into how many parts to pack the coins; see `CryptoLoader`.
    overwrite : bool
        Whether a table that is there already may be replaced.
    options : ReadOptions, optional
        What the files do not tell themselves.
    run : callable, optional
        What calls a function for each partition, in order, such as ``map`` itself or
        `cryptodask.cluster.ordered_map` with a client, to read them on a cluster.

    Returns
    -------
    PriceTable
        Its ``findings()`` tell what was wrong in the files and what was done about it.

    Raises
    ------
    SourceError
        No prices there, or bars of more than one length, or something else where the table is to
        be.
    PolicyError
        There is a finding whose policy is to fail; nothing is written then.
    OptionError
        ``partitions`` is below 1.
    """
    if partitions is not None and partitions < 1:
        raise OptionError(f"partitions: must be at least 1, got {partitions}")
    if is_table(Path(folder)):
        raise SourceError(f"{folder}: is a price table already")
    source = open_source(folder, options)
    assert isinstance(source, FolderSource)
    place = Path(out)
    if place.exists():
        if is_table(place) and not overwrite:
            raise SourceError(f"{out}: there is a table already; overwrite it, or name another")
        if not is_table(place) and not is_free(place):
            raise SourceError(f"{out}: is there already and no price table; name another place")
    empty = dict(source.empty)

    def readings() -> Any:
        packed = source.partitions(source.coins, partitions)
        for partition, reading in zip(packed, run(_load, packed), strict=True):
            for coin in sorted(set(partition.coins) - set(reading.prices["coin"])):
                empty[coin] = no_rows_message(coin)
            yield reading

    return write_table(
        place,
        readings(),
        empty=empty,
        notes=source.file_findings(),
        freq=source.freq,
        policies=options.policies,
    )


def read_files(paths: Sequence[str | Path], options: ReadOptions = DEFAULT) -> Reading:
    """Read files, or all files of folders, as an import would, without writing anything.

    Parameters
    ----------
    paths : sequence of path
        Files of one coin, named for it, or of many; and folders of such.
    options : ReadOptions, optional
        What the files do not tell themselves.

    Returns
    -------
    Reading
        Rows of all coins, and everything that was found.

    Raises
    ------
    SourceError
        There is no such file, or none of them has prices.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise SourceError(f"{path}: does not exist; give files of prices, or folders of them")
        files += sorted(path.iterdir()) if path.is_dir() else [path]
    source = FolderSource(Path(files[0]).parent if files else Path(), options, files)
    # No more partitions than memory asks for: a file of many coins is read once for each.
    parts = source.partitions(source.coins, partitions_for(source.rows))
    read = [p.load() for p in parts]
    return Reading(
        pd.concat([empty_prices(), *(r.prices for r in read)], ignore_index=True),
        join_findings([source.file_findings(), *(r.findings for r in read)]),
    )


def no_rows_message(coin: str) -> str:
    """Say that a coin has a file and not one row that can be read."""
    return f"{coin}: not one row of its file can be read; `cryptodask prices import` tells why"


def to_panel(prices: pd.DataFrame, freq: str = DAILY, columns: Sequence[str] = ()) -> Panel:
    """Turn rows, by coin and date, into the ragged array of closes that models take.

    Other columns are kept beside the closes where they are asked for.
    """
    coin = prices["coin"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], coin[1:] != coin[:-1]]))[: len(coin)]
    return Panel(
        coins=tuple(coin[starts]),
        values=prices["close"].to_numpy(dtype=np.float64),
        dates=prices["date"].to_numpy().astype("datetime64[s]"),
        indptr=np.append(starts, len(coin)).astype(np.int64),
        step=step_of(freq),
        extra={name: prices[name].to_numpy(dtype=np.float64) for name in columns},
    )


def _load(partition: Partition) -> Reading:
    return partition.load()


def _read_indexed(partition: Partition, *, cut: RowFilter) -> pd.DataFrame:
    return cut(partition.read()).set_index("coin")


def read_day(option: str, value: Day | None, default: str | None = None) -> np.datetime64:
    """Return a day that a user gave.

    Raises
    ------
    OptionError
        It is none, or there is none and no default.
    """
    if value is None and default is not None:
        return np.datetime64(default, "s")
    try:
        day = _timestamp(value)
    except (ValueError, TypeError) as error:
        why = str(error).partition(";")[0]
        raise OptionError(
            f"{option}: {value!r} is no day ({why}); write it as YYYY-MM-DD"
        ) from error
    # The whole day, at whatever hour a datetime is.
    return np.datetime64(day.normalize(), "s")


def day_text(value: Day | None) -> str | None:
    """Return a day that a user gave as text, if one was given."""
    return None if value is None else str(read_day("day", value).astype("datetime64[D]"))


def _timestamp(value: Any) -> pd.Timestamp:
    if isinstance(value, int | float | np.number):
        raise TypeError("a number, which pandas takes for nanoseconds since 1970")
    if isinstance(value, str):  # by the rule for files, which guesses at nothing
        days, reasons, _ = parse_days(pd.Series([value], dtype="str"))
        if reasons.iloc[0]:
            raise ValueError(reasons.iloc[0])
        value = days.iloc[0]
    moment = pd.Timestamp(value)
    if pd.isna(moment):
        raise ValueError("no date")
    return moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment
