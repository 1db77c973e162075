"""`Backtest`: what models forecast as of past dates beside what came, in memory or as files."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryptodask.charts import Chart
from cryptodask.errors import TableError
from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.io.files import FileRecord
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import AnyPath, path_of, resolved
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.records import DateArray
from cryptodask.results.failures import failed_throughout, failure_table
from cryptodask.results.jobs import task_table
from cryptodask.results.manifest import FAILURES, LOST, TASKS, Manifest, read_manifest
from cryptodask.results.pictures import overlay_chart, rows_of_coin, scores_chart
from cryptodask.results.shown import ShowsFacts, facts_of, span_of
from cryptodask.results.sweep import cut_by_coin, sweep

if TYPE_CHECKING:
    import dask.dataframe as dd

    from cryptodask.evaluate.compare import Loss


@dataclass(frozen=True, repr=False)
class Backtest(ShowsFacts):
    """A backtest.

    Attributes
    ----------
    models : list of str
        ``naive`` first, by which the others are measured.
    horizon : int
        Bars.
    origins : ndarray of datetime64[s], ``(n_origins,)``
        Those that count; others, which may be in its files, are for the intervals of these.
    failures : DataFrame
        ``coin, model, cutoff, exception, message``: one row a forecast that failed; cutoff NaT
        where the model forecast the coin as of no date.
    path : Path, UPath or None
        The folder of its files, or None of one that is in memory.
    files : tuple of FileRecord
        Of the table, in that folder.
    frame : DataFrame or None
        The table of one that is in memory.
    features : dict of str to str
        Fingerprints of what models on declared features saw, by model; see
        `cryptodask.features.space.FeatureSpace`.
    lost : DataFrame
        Rows and files that could not be read; see `cryptodask.results.Forecasts`.
    tasks : DataFrame
        What each job did; see `cryptodask.results.Forecasts`.
    prices : CryptoLoader or None
        What was forecast, for `plot`; None of one that was opened from a folder.

    Examples
    --------
    >>> result = backtest("data", ["linear", "ridge"], origins=6)  # doctest: +SKIP
    >>> result.plot()                                              # doctest: +SKIP
    >>> result.scores().sort_values("relative_mae")                # doctest: +SKIP
    """

    models: list[str]
    horizon: int
    origins: DateArray
    failures: pd.DataFrame = field(default_factory=lambda: failure_table([], dated=True))
    path: AnyPath | None = None
    files: tuple[FileRecord, ...] = ()
    frame: pd.DataFrame | None = None
    features: dict[str, str] = field(default_factory=dict)
    lost: pd.DataFrame = field(default_factory=empty_findings)
    tasks: pd.DataFrame = field(default_factory=lambda: task_table([]))
    prices: CryptoLoader | None = field(default=None, compare=False)

    def _facts(self) -> dict[str, object]:
        """Return what is in it."""
        facts = {
            "coins": None if self.frame is None else f"{self.frame['coin'].nunique():,}",
            "rows": None if self.frame is None else f"{len(self.frame):,}",
            "origins": f"{len(self.origins):,}, {span_of(self.origins)}",
        }
        return facts_of(self, self.models, facts, "in memory")

    def plot(
        self,
        coin: str | None = None,
        *,
        last: int = 180,
        log: bool = False,
        prices: CryptoLoader | None = None,
    ) -> Chart:
        """Return a chart of the scores, or of one coin's forecasts over its closes.

        Without a coin it has the error by step and by origin, beside naive's, and, where there are
        intervals, the share of actuals inside them. The table is read by coins, once.

        Parameters
        ----------
        coin : str, optional
            Whose forecasts as of each origin are drawn over what came.
        last : int
            Bars of closes before the first origin, for a coin.
        log : bool
            Whether prices of a coin are on a logarithmic axis.
        prices : CryptoLoader, optional
            Where the closes are; by default the prices of the run, or else the actuals alone.

        Returns
        -------
        Chart
            Which a notebook shows; `Chart.save` writes it as HTML or PNG.

        Raises
        ------
        UnknownCoinError
            It has no forecast of that coin.
        OptionError
            ``last`` is below 1, or no forecast has an actual.
        """
        if coin is None:
            return scores_chart(self.coin_parts(), self.models, self.origins, self.horizon)
        rows = rows_of_coin(self.parts(), coin, "the forecasts")
        return overlay_chart(rows, self.models, prices or self.prices, last, log)

    @property
    def is_complete(self) -> bool:
        """Whether every model has a forecast of every coin, and every row could be read."""
        return failed_throughout(self.failures, self.origins).empty and self.lost.empty

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the table (see `cryptodask.evaluate.rows.BACKTEST_COLUMNS`) file by file.

        All rows of a coin and model are in one.
        """
        if self.frame is not None:
            yield self.frame
        for record in self.files:
            assert self.path is not None
            yield of_origins(read_backtest_part(self.path, record), self.origins)

    def coin_parts(
        self, coins: Collection[str] | None = None, *, checked: bool = False
    ) -> Iterator[pd.DataFrame]:
        """Yield the table by coins: whole coins with all their models, then the next coins.

        What compares models of a coin needs that, and `parts` have one model each. Every row is
        read once; of a folder, no more is in memory than about a partition of each model.

        Parameters
        ----------
        coins : collection of str, optional
            The coins that are wanted; by default all.
        checked : bool
            Whether the files are known to be as they were written.
        """
        if self.frame is not None:
            known = self.frame["coin"]
            yield from cut_by_coin(self.frame if coins is None else self.frame[known.isin(coins)])
        if self.path is not None:
            tables = sweep(self.path, self.files, coins, checked=checked)
            yield from (of_origins(table, self.origins) for table in tables)

    def sums(self) -> pd.DataFrame:
        """Return the sums that scores are made of; see `cryptodask.evaluate.scores.sums`."""
        from cryptodask.evaluate import scores

        tables = [scores.sums(part) for part in self.coin_parts()]
        return pd.concat(tables or [scores.sums(empty_backtest())], ignore_index=True)

    def scores(self, by: Sequence[str] = ("model",)) -> pd.DataFrame:
        """Return what the forecasts are worth; see `cryptodask.evaluate.scores.scores`."""
        from cryptodask.evaluate import scores

        if "step" in by:
            return scores.scores(self.sums(), by)
        # Without steps before parts are joined, which takes a share of the memory.
        keys = ["coin", "model"]
        by_step = (scores.sums(part) for part in self.coin_parts())
        tables = [sums.groupby(keys, as_index=False).sum().assign(step=0) for sums in by_step]
        joined = pd.concat(tables, ignore_index=True) if tables else self.sums()
        return scores.scores(joined, by)

    def differences(self, loss: "Loss" = "absolute") -> pd.DataFrame:
        """Compare losses with those of naive; see `cryptodask.evaluate.compare.differences`."""
        from cryptodask.evaluate.compare import differences

        tables = [differences(part, loss=loss) for part in self.coin_parts()]
        return pd.concat(tables or [differences(empty_backtest(), loss=loss)], ignore_index=True)

    def coverage_tests(self) -> pd.DataFrame:
        """Test the intervals of each coin; see `cryptodask.evaluate.coverage.coverage_tests`."""
        from cryptodask.evaluate.coverage import coverage_tests

        tests = [coverage_tests(part) for part in self.coin_parts()]
        return pd.concat(tests or [coverage_tests(empty_backtest())], ignore_index=True)

    def sorted(self) -> "Backtest":
        """Return the same with the table in memory in order."""
        return replace(self, frame=self.get_df())

    def get_df(self) -> pd.DataFrame:
        """Return the table, by coin, model, origin and step."""
        table = pd.concat([empty_backtest(), *self.parts()], ignore_index=True)
        places = np.lexsort(
            [
                table["step"].to_numpy(),
                table["cutoff"].to_numpy(),
                pd.Categorical(table["model"], categories=list(self.models)).codes,
                table["coin"].factorize(sort=True)[0],
            ]
        )
        return table.iloc[places].reset_index(drop=True)

    def get_ddf(self) -> "dd.DataFrame":
        """Return the table as a Dask dataframe; nothing is read yet."""
        import dask
        import dask.dataframe as dd

        with dask.config.set({"dataframe.convert-string": False}):
            if self.path is None:
                return dd.from_pandas(self.get_df(), npartitions=1)
            if not self.files:
                return dd.from_pandas(empty_backtest(), npartitions=1)
            table = dd.from_map(
                _read_file, list(self.files), folder=self.path, meta=empty_backtest()
            )
            return table.map_partitions(of_origins, self.origins, meta=empty_backtest())


def open_backtest(
    path: str | os.PathLike[str] | AnyPath, manifest: Manifest | None = None
) -> Backtest:
    """Open a backtest that was written to a folder, or to a URL that fsspec knows.

    Parameters
    ----------
    path : str or path
    manifest : Manifest, optional
        Of the folder, where it is known; by default it is read.

    Raises
    ------
    TableError
        There is none, or it has not ended.
    InputError
        The manifest is damaged, or of something else.
    DamagedFileError
        A table of failures, of what was lost, or of tasks is.
    """
    folder = resolved(path_of(path))
    manifest = manifest or read_manifest(folder, ["backtest"])
    failures, lost, tasks = (
        read_frame(folder / name, manifest.record(name)) for name in (FAILURES, LOST, TASKS)
    )
    empty = failure_table([], dated=True)
    return Backtest(
        list(manifest.models),
        manifest.horizon,
        manifest.dates,
        failures.astype(empty.dtypes.to_dict()),
        folder,
        tuple(manifest.files),
        features=dict(manifest.features),
        lost=lost.astype(empty_findings().dtypes.to_dict()),
        tasks=tasks,
    )


def of_origins(table: pd.DataFrame, origins: DateArray) -> pd.DataFrame:
    """Return the rows of a table that are of these origins, or (cutoff NaT) of all."""
    inside = table["cutoff"].isna() | table["cutoff"].isin(pd.to_datetime(origins))
    kept: pd.DataFrame = table if inside.all() else table[inside].reset_index(drop=True)
    return kept


def read_backtest_part(folder: AnyPath, record: FileRecord) -> pd.DataFrame:
    """Read one file of a backtest's table.

    Raises
    ------
    DamagedFileError
        The file is not as it was written.
    """
    table = read_frame(folder / record.name, record)
    try:
        return table.astype(empty_backtest().dtypes.to_dict())
    except KeyError as error:
        raise TableError(
            f"{folder / record.name}: is not a table of a backtest: {error}"
        ) from error


def _read_file(record: FileRecord, folder: AnyPath) -> pd.DataFrame:
    return read_backtest_part(folder, record)
