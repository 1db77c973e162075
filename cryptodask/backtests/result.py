"""What a backtest gives: its table, in memory or as a folder of files, and what failed."""

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryptodask.backtests.sweep import cut_by_coin, sweep
from cryptodask.errors import InputError
from cryptodask.evaluate.backtest import OriginFailure, empty_backtest
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import AnyPath, each, path_of, read_text, resolved
from cryptodask.models import Model
from cryptodask.records import CoinFailure, DateArray
from cryptodask.results.forecasts import MANIFEST

if TYPE_CHECKING:
    import dask.dataframe as dd

    from cryptodask.evaluate.compare import Loss

FAILURES = ("coin", "model", "cutoff", "exception", "message")

NEVER = np.datetime64("NaT", "s")
"""The cutoff of a failure that is of all origins."""

LOST = "_failures.parquet"
"""Failures of tasks that have no file."""


@dataclass(frozen=True)
class Backtest:
    """A backtest that was run.

    Attributes
    ----------
    models : list of str
        ``naive`` first, by which the others are measured.
    horizon : int
    origins : ndarray of datetime64[s], ``(n_origins,)``
        Those that count; others, which may be in its files, are for the intervals of these.
    failures : DataFrame
        ``coin, model, cutoff, exception, message``: what has no forecast as of which date, or
        (cutoff NaT) as of none.
    path : Path, UPath or None
        The folder of its files, or None of one that is in memory.
    files : list of str
        Of the table, in that folder.
    frame : DataFrame or None
        The table of one that is in memory.
    features : dict of str to str
        Fingerprints of what models on declared features saw, by model; see
        `cryptodask.features.FeatureSpace`.
    """

    models: list[str]
    horizon: int
    origins: DateArray
    failures: pd.DataFrame
    path: AnyPath | None = None
    files: tuple[str, ...] = ()
    frame: pd.DataFrame | None = None
    features: dict[str, str] = field(default_factory=dict)

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the table (see `cryptodask.evaluate.backtest.COLUMNS`) file by file.

        All rows of a coin and model are in one.
        """
        if self.frame is not None:
            yield self.frame
        for name in self.files:
            assert self.path is not None
            yield counting(read_backtest_part(self.path / name), self.origins)

    def coin_parts(self, coins: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the table by coins: whole coins with all their models, then the next coins.

        What compares models of a coin needs that, and `parts` have one model each. Every row is
        read once; of a folder, no more is in memory than about a partition of each model.

        Parameters
        ----------
        coins : collection of str, optional
            The coins that are wanted; by default all.
        """
        if self.frame is not None:
            known = self.frame["coin"]
            yield from cut_by_coin(self.frame if coins is None else self.frame[known.isin(coins)])
        if self.path is not None:
            paths = [self.path / name for name in self.files]
            yield from (counting(table, self.origins) for table in sweep(paths, coins))

    def sums(self) -> pd.DataFrame:
        """Return the sums that scores are made of; see `cryptodask.evaluate.scores.sums`."""
        from cryptodask.evaluate import scores

        found = [scores.sums(part) for part in self.coin_parts()]
        return pd.concat(found or [scores.sums(empty_backtest())], ignore_index=True)

    def scores(self, by: Sequence[str] = ("model",)) -> pd.DataFrame:
        """Return what the forecasts are worth; see `cryptodask.evaluate.scores.scores`."""
        from cryptodask.evaluate import scores

        if "step" in by:
            return scores.scores(self.sums(), by)
        # Without steps before parts are joined, which takes a share of the memory.
        keys = ["coin", "model"]
        added = (scores.sums(part) for part in self.coin_parts())
        found = [one.groupby(keys, as_index=False).sum().assign(step=0) for one in added]
        joined = pd.concat(found, ignore_index=True) if found else self.sums()
        return scores.scores(joined, by)

    def differences(self, loss: "Loss" = "absolute") -> pd.DataFrame:
        """Compare losses with those of naive; see `cryptodask.evaluate.compare.differences`."""
        from cryptodask.evaluate.compare import differences

        found = [differences(part, loss=loss) for part in self.coin_parts()]
        return pd.concat(found or [differences(empty_backtest(), loss=loss)], ignore_index=True)

    def get_df(self) -> pd.DataFrame:
        """Return the table, by coin, model, origin and step."""
        rank = {name: i for i, name in enumerate(self.models)}
        whole = pd.concat([empty_backtest(), *self.parts()], ignore_index=True)
        places = np.lexsort(
            [
                whole["step"].to_numpy(),
                whole["cutoff"].to_numpy(),
                whole["model"].map(rank).to_numpy(),
                whole["coin"].to_numpy(dtype=object),
            ]
        )
        return whole.iloc[places].reset_index(drop=True)

    def get_ddf(self) -> "dd.DataFrame":
        """Return the table as a Dask dataframe; nothing is read yet."""
        import dask
        import dask.dataframe as dd

        with dask.config.set({"dataframe.convert-string": False}):
            if self.path is None:
                return dd.from_pandas(self.get_df(), npartitions=1)
            paths = [self.path / name for name in self.files]
            whole = dd.from_map(read_backtest_part, paths, meta=empty_backtest())
            return whole.map_partitions(counting, self.origins, meta=empty_backtest())


def open_backtest(path: str | os.PathLike[str] | AnyPath) -> Backtest:
    """Open a backtest that was written to a folder, or to a URL that fsspec knows.

    Raises
    ------
    InputError
        There is none, or it has not ended.
    """
    folder = resolved(path_of(path))
    try:
        manifest = json.loads(read_text(folder / MANIFEST))
        origins = np.array(manifest["origins"], dtype="datetime64[s]")
        files, models = tuple(manifest["files"]), list(manifest["models"])
        features = dict(manifest["features"])
        failures = read_failures(folder / LOST)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is no backtest that has ended ({error}); run it again with the same folder, "
            "and it goes on from where it was"
        ) from error
    own = each(read_failures, [folder / failures_of(name) for name in files])
    told = counting(join_failures([failures, *own]), origins)
    horizon = int(manifest["horizon"])
    return Backtest(models, horizon, origins, told, folder, files, features=features)


def counting(table: pd.DataFrame, origins: DateArray) -> pd.DataFrame:
    """Return the rows of a table that are of these origins, or (cutoff NaT) of all."""
    inside = table["cutoff"].isna() | table["cutoff"].isin(pd.to_datetime(origins))
    kept: pd.DataFrame = table if inside.all() else table[inside].reset_index(drop=True)
    return kept


def read_backtest_part(path: AnyPath) -> pd.DataFrame:
    """Read one file of a backtest's table."""
    return read_frame(path).astype(empty_backtest().dtypes.to_dict())


def lost(
    model: Model, coins: Sequence[str], error: BaseException, cutoff: np.datetime64 = NEVER
) -> pd.DataFrame:
    """Return the failures of all these coins, of one cause."""
    return failure_frame(
        [OriginFailure(cutoff, CoinFailure.of(c, model.name, error)) for c in coins]
    )


def failure_frame(failures: Sequence[OriginFailure]) -> pd.DataFrame:
    """Return failures as a table in `FAILURES`."""
    rows = [
        (f.failure.coin, f.failure.model, f.cutoff, f.failure.exception, f.failure.message)
        for f in failures
    ]
    frame = pd.DataFrame(rows, columns=list(FAILURES))
    return frame.astype(no_failures().dtypes.to_dict())


def no_failures() -> pd.DataFrame:
    """Return a table of no failures, with the dtypes that every one has."""
    kinds = dict.fromkeys(FAILURES, "str") | {"cutoff": "datetime64[s]"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def join_failures(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join tables of failures, by coin, model and origin."""
    whole = pd.concat([no_failures(), *frames], ignore_index=True)
    return whole.sort_values(["coin", "model", "cutoff"], kind="stable", ignore_index=True)


def read_failures(path: AnyPath) -> pd.DataFrame:
    """Read a table of failures."""
    return read_frame(path).astype(no_failures().dtypes.to_dict())


def failures_of(name: str) -> str:
    """Return the name of the file of failures beside a task's file."""
    return f"_failures-{name.removeprefix('backtest-')}"
