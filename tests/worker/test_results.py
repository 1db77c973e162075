"""A backtest part by part: each coin once, with its prices, from the files that have it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cryptodask import backtest
from cryptodask.prices import CryptoLoader
from cryptodask.results import Backtest, open_backtest
from cryptodask.worker.job import Job
from cryptodask.worker.results import call_by_part, contents, file_contents


@pytest.fixture(scope="module")
def opened(small_folder: Path, cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    from dask.distributed import Client

    out = tmp_path_factory.mktemp("results") / "run"
    with Client(cluster.address) as client:
        backtest(str(small_folder), ["drift"], 3, origins=4, out=str(out), client=client,
                 intervals=False, progress=False)  # fmt: skip
    return open_backtest(out)


def both(rows: pd.DataFrame, prices: pd.DataFrame, word: str) -> tuple[Any, ...]:
    return rows, prices, word


def test_each_coin_comes_once_with_its_rows_and_prices(
    opened: Backtest, small_folder: Path
) -> None:
    loader = CryptoLoader(str(small_folder), partitions=3)
    table, frame = opened.get_df(), loader.get_df()
    job = Job(tuple(loader.partitions()))
    parts = call_by_part(job, opened, both, "word")
    assert len(parts) == 3
    for rows, prices, word in parts:
        assert word == "word"
        coins = sorted(rows["coin"].unique())
        assert sorted(prices["coin"].unique()) == coins
        assert len(rows) == table["coin"].isin(coins).sum()
        assert len(prices) == frame["coin"].isin(coins).sum()
    assert sum(len(rows) for rows, _, _ in parts) == len(table)


def test_contents_of_files_are_those_of_the_table(opened: Backtest) -> None:
    columns = ["coin", "model", "first", "forecasts"]
    tables = [file_contents((opened, record))[columns] for record in opened.files]
    joined = pd.concat(tables).sort_values(["coin", "model"], ignore_index=True)
    memory = Backtest(opened.models, 3, opened.origins, frame=opened.get_df())
    expected = contents(memory).sort_values(["coin", "model"], ignore_index=True)
    pd.testing.assert_frame_equal(joined, expected[columns], check_dtype=False)
    assert expected["forecasts"].sum() == opened.get_df()["forecast"].notna().sum()
