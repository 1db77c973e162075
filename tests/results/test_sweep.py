"""A backtest by coins: each coin whole, once, with all its models, however files are cut."""

from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import DamagedFileError
from cryptodask.evaluate import compare, scores
from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.io.files import FileRecord, record_of
from cryptodask.results import Backtest
from cryptodask.results.failures import failure_table
from cryptodask.results.sweep import cut_by_coin, sweep
from tests.evaluate.tables import make_backtest

N_COINS = 9


def no_failures() -> pd.DataFrame:
    return failure_table([], dated=True)


TABLE, _ = make_backtest(N_COINS, seed=1, missing=0.1)
MODELS = ["naive", "drift", "wild"]
COINS = sorted(TABLE["coin"].unique())
A_COIN = len(TABLE) // N_COINS


def write(folder: Path, cuts: dict[str, list[int]], statistics: bool = True) -> list[FileRecord]:
    """Write each model's coins in groups that begin at these places, two to a file."""
    records = []
    for model, inner in cuts.items():
        edges = sorted({0, *inner, N_COINS})
        groups = [COINS[a:b] for a, b in pairwise(edges)]
        for number, start in enumerate(range(0, len(groups), 2)):
            path = folder / f"backtest-{model}-{number}.parquet"
            like = pa.Schema.from_pandas(empty_backtest(), preserve_index=False)
            with pq.ParquetWriter(path, like, write_statistics=statistics) as sink:
                for group in groups[start : start + 2]:
                    rows = TABLE[(TABLE["model"] == model) & TABLE["coin"].isin(group)]
                    rows = rows.sort_values(["cutoff", "coin", "step"])
                    rows = rows.astype(empty_backtest().dtypes.to_dict())[list(like.names)]
                    sink.write_table(pa.Table.from_pandas(rows, like, preserve_index=False))
            records.append(record_of(path))
    return records


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    rows = table.sort_values(["coin", "model", "cutoff", "step"], ignore_index=True)
    return rows[list(empty_backtest().columns)].astype(empty_backtest().dtypes.to_dict())


def backtest_of(files: list[FileRecord], folder: Path) -> Backtest:
    origins = np.sort(TABLE["cutoff"].unique()).astype("datetime64[s]")
    return Backtest(MODELS, 4, origins, no_failures(), folder, tuple(files))


@settings(max_examples=25, deadline=None)
@given(
    st.fixed_dictionaries({m: st.lists(st.integers(1, N_COINS - 1), max_size=6) for m in MODELS}),
    st.integers(1, 4 * A_COIN),
    st.none() | st.sets(st.sampled_from([*COINS, "aaa", "zzz"])),
    st.booleans(),
)
def test_every_coin_comes_once_and_whole(
    cuts: dict[str, list[int]], most: int, wanted: set[str] | None, statistics: bool
) -> None:
    with TemporaryDirectory() as folder:
        parts = list(sweep(Path(folder), write(Path(folder), cuts, statistics), wanted, most))
    seen = [coin for part in parts for coin in part["coin"].unique()]
    expected = [coin for coin in COINS if wanted is None or coin in wanted]
    assert seen == expected
    for part in parts:
        assert len(part) <= most or part["coin"].nunique() == 1
    joined = pd.concat([empty_backtest(), *parts], ignore_index=True)
    pd.testing.assert_frame_equal(in_order(joined), in_order(TABLE[TABLE["coin"].isin(expected)]))


@given(st.integers(1, len(TABLE) + 1), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_a_table_is_cut_where_coins_end(most: int, random: Random) -> None:
    order = list(range(len(TABLE)))
    random.shuffle(order)
    parts = list(cut_by_coin(TABLE.iloc[order], most))
    assert [c for part in parts for c in part["coin"].unique()] == COINS
    assert all(len(part) <= max(most, A_COIN) for part in parts)
    pd.testing.assert_frame_equal(in_order(pd.concat(parts)), in_order(TABLE))


def test_groups_are_read_when_they_are_needed(tmp_path: Path) -> None:
    cuts = {"naive": [3, 6], "drift": list(range(1, N_COINS)), "wild": list(range(1, N_COINS))}
    files = write(tmp_path, cuts)
    parts = sweep(tmp_path, files, most=1)
    next(parts)
    for file in files:
        if "wild-4" in file.name or "naive-1" in file.name:
            (tmp_path / file.name).unlink()
    # What comes last was not read yet, or the sweep would not miss it.
    with pytest.raises(DamagedFileError, match=r"naive-1"):
        list(parts)


def test_scores_of_a_folder_are_those_of_its_table(tmp_path: Path) -> None:
    paths = write(tmp_path, {"naive": [4], "drift": [2, 3, 7], "wild": []})
    done = backtest_of(paths, tmp_path)
    whole = done.get_df()
    memory = Backtest(MODELS, 4, done.origins, no_failures(), frame=whole)
    for backtest in (done, memory):
        for by in (["model"], ["model", "step"], ["coin", "model"]):
            expected = scores.scores(scores.sums(whole), by)
            pd.testing.assert_frame_equal(backtest.scores(by), expected, check_exact=True)
        pd.testing.assert_frame_equal(
            backtest.differences("squared"),
            compare.differences(whole, loss="squared"),
            check_exact=True,
        )
    assert done.scores()["relative_mae"].notna().all()


def test_a_backtest_of_nothing_has_no_scores() -> None:
    none = Backtest(MODELS, 4, np.empty(0, "M8[s]"), no_failures(), frame=empty_backtest())
    assert list(none.coin_parts()) == []
    assert len(none.sums()) == len(none.scores()) == len(none.differences()) == 0
