"""The same rows give the same forecasts, bit for bit, whatever they come from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, backtest, import_prices
from cryptodask.errors import InputError
from cryptodask.runs import forecast, read_plan
from tests.conftest import Cluster, write_folder

KINDS = ("pandas", "wide", "polars", "arrow", "dask", "file", "parquet", "folder", "pattern", "url",
         "table")  # fmt: skip


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[Client]:
    with Client(cluster.address) as client:
        yield client


@pytest.fixture(scope="module")
def closes(small_prices: pd.DataFrame) -> pd.DataFrame:
    """Coin, date and close, which a wide frame has too."""
    return small_prices[["coin", "date", "close"]]


@pytest.fixture(scope="module")
def sources(closes: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("sources")
    closes.to_csv(place / "all.csv", index=False)
    closes.to_parquet(place / "all.parquet")
    write_folder(place / "folder", closes)
    import_prices(closes, place / "table")
    return {
        "pandas": closes.sample(frac=1, random_state=3),
        "wide": closes.pivot(index="date", columns="coin", values="close"),
        "polars": pl.from_pandas(closes),
        "arrow": pa.Table.from_pandas(closes),
        "dask": dd.from_pandas(closes.sample(frac=1, random_state=3), npartitions=3),
        "file": place / "all.csv",
        "parquet": place / "all.parquet",
        "folder": place / "folder",
        "pattern": str(place / "folder" / "*.csv"),
        "url": f"file://{place}/all.csv",
        "table": place / "table",
    }


@pytest.fixture(scope="module")
def expected(sources: dict[str, Any], client: Client) -> tuple[pd.DataFrame, ...]:
    return results(sources["folder"], client)


def results(source: Any, client: Client) -> tuple[pd.DataFrame, ...]:
    how = {"client": client, "progress": False}
    ahead = forecast(source, ["naive", "linear"], 5, **how)
    past = backtest(source, ["linear"], 5, origins=3, calibrate=0, **how)
    return ahead.get_df(), ahead.failures, past.get_df(), past.failures


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
def test_forecasts_and_backtests_are_those_of_the_folder(
    kind: str, sources: dict[str, Any], client: Client, expected: tuple[pd.DataFrame, ...]
) -> None:
    for got, wanted in zip(results(sources[kind], client), expected, strict=True):
        assert len(wanted)
        pd.testing.assert_frame_equal(got, wanted, check_exact=True)


def test_rows_of_a_frame_that_were_lost_are_in_the_result(
    closes: pd.DataFrame, client: Client
) -> None:
    bad = closes[:1].assign(close=-1.0, date=pd.Timestamp("2026-07-01"))
    frame = pd.concat([closes, bad], ignore_index=True)
    for source in (frame, dd.from_pandas(frame, npartitions=2)):
        result = forecast(source, ["naive"], 5, client=client, progress=False)
        assert result.lost[["kind", "coin", "line"]].to_numpy().tolist() == [
            ["nonpositive_close", bad["coin"].iloc[0], len(frame)]
        ]


def test_a_run_of_a_frame_resumes_with_the_same_rows_only(
    closes: pd.DataFrame, client: Client, tmp_path: Path
) -> None:
    def run(source: Any) -> pd.DataFrame:
        return forecast(
            source, ["naive"], 5, client=client, out=tmp_path / "run", progress=False
        ).get_df()  # fmt: skip

    first = run(closes)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("forecasts-*")}
    assert read_plan(tmp_path / "run").spec is None  # a command could not repeat it
    for same in (pl.from_pandas(closes), dd.from_pandas(closes, npartitions=2)):
        pd.testing.assert_frame_equal(run(same), first, check_exact=True)
    assert {p: p.stat().st_mtime_ns for p in written} == written
    with pytest.raises(InputError, match="the prices changed"):
        run(closes.assign(close=closes["close"] * 2))


def test_a_pattern_is_repeatable_by_a_command(sources: dict[str, Any]) -> None:
    assert CryptoLoader(sources["pattern"]).location == sources["pattern"]
    assert CryptoLoader(sources["pandas"]).location is None
