"""What a source has of each coin, from files, frames and tables."""

from pathlib import Path

import dask.dataframe as dd
import pandas as pd
import pytest

from cryptodask import CryptoLoader, import_prices
from cryptodask.prices.overview import OVERVIEW_COLUMNS, list_coins
from cryptodask.prices.synthetic import synthetic_prices
from tests.conftest import write_folder
from tests.prices.conftest import write_files


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    frame = synthetic_prices(9, 120, seed=2, short=(1, 8), broken=("gap",))
    lacking = (frame["coin"] == frame["coin"].iloc[-1]) & frame["date"].dt.day.isin([3, 4, 20])
    return frame[~lacking].reset_index(drop=True)


def expected(prices: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for coin, own in prices.groupby("coin"):
        steps = own["date"].diff().dropna() / pd.Timedelta("1D")
        dates = own["date"].min(), own["date"].max()
        counts = int((steps > 1).sum()), int((steps - 1).sum())
        rows.append((coin, "", *dates, len(own), own["close"].iloc[-1], *counts))
    return pd.DataFrame(rows, columns=list(OVERVIEW_COLUMNS))


def test_all_kinds_of_sources_say_the_same(tmp_path: Path, prices: pd.DataFrame) -> None:
    wanted = expected(prices)
    assert wanted["gaps"].max() > 2
    folder = write_folder(tmp_path / "folder", prices)
    table = import_prices(folder, tmp_path / "table", partitions=3)
    for source in (prices, dd.from_pandas(prices, npartitions=2), folder, table.path):
        listed = list_coins(CryptoLoader(source).source)
        pd.testing.assert_frame_equal(listed, wanted, check_dtype=False, check_exact=True)
    last = prices[prices["date"] == prices["date"].max()]
    table.append(last.assign(date=last["date"] + pd.Timedelta("3D"), close=last["close"] * 2))
    both = pd.concat([prices, last.assign(date=last["date"] + pd.Timedelta("3D"),
                                          close=last["close"] * 2)])  # fmt: skip
    again = list_coins(CryptoLoader(table.path).source)
    pd.testing.assert_frame_equal(again, expected(both), check_dtype=False, check_exact=True)


def test_a_coin_without_a_row_is_listed_without_dates(tmp_path: Path) -> None:
    write_files(tmp_path, {"A.csv": "Date,Close\n2024-01-01,1\n", "B.csv": "Date,Close\nsoon,1\n"})
    listed = list_coins(CryptoLoader(tmp_path).source)
    assert listed["coin"].tolist() == ["A", "B"]
    assert listed["bars"].tolist() == [1, 0]
    assert listed["first"].isna().tolist() == [False, True]
