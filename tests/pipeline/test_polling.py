"""Growing the table from a folder: up to the day, and with each finding said once."""

from pathlib import Path

import pandas as pd
import pytest

from cryptodask.pipeline import polling
from cryptodask.pipeline.day import Day
from cryptodask.pipeline.polling import poll
from cryptodask.pipeline.settings import Settings, read_settings
from cryptodask.prices import CryptoLoader, ReadOptions, import_prices
from cryptodask.prices.synthetic import synthetic_prices
from tests.conftest import write_folder

TEXT = """
[prices]
table = "table"
folder = "new"
[forecast]
models = ["naive"]
horizon = 2
"""


@pytest.fixture
def prices() -> pd.DataFrame:
    return synthetic_prices(3, 60, seed=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "pipeline.toml").write_text(TEXT)
    return read_settings(tmp_path / "pipeline.toml")


def test_rows_after_the_day_are_left_until_it_comes(
    settings: Settings, prices: pd.DataFrame, tmp_path: Path
) -> None:
    write_folder(tmp_path / "new", prices)
    days = sorted(prices["date"].unique())[-4:]
    counts = []
    for day in days:
        report = poll(Day(settings, f"{day:%Y-%m-%d}"))
        counts.append(report["rows"])
        rows = CryptoLoader(settings.prices.table).get_df()
        pd.testing.assert_series_equal(
            rows["close"], prices[prices["date"] <= day]["close"], check_index=False
        )
        assert report["last"] == f"{day:%Y-%m-%d}"
    assert counts == [(prices["date"] <= days[0]).sum(), 3, 3, 3]
    again = poll(Day(settings, f"{days[-1]:%Y-%m-%d}"))
    assert (again["state"], again["rows"]) == ("nothing", 0)


def test_columns_of_your_own_come_with_the_rows(
    settings: Settings, prices: pd.DataFrame, tmp_path: Path
) -> None:
    prices = prices.assign(signal=range(len(prices)), kind="L1")
    last = prices["date"].max()
    options = ReadOptions(further=("signal",), facts=("kind",))
    import_prices(prices[prices["date"] < last], tmp_path / "table", options=options)
    write_folder(tmp_path / "new", prices)
    report = poll(Day(settings, f"{last:%Y-%m-%d}"))
    assert report["rows"] == 3
    assert "missing_column" not in report["findings"]
    rows = CryptoLoader(settings.prices.table).get_df(columns=["signal", "kind"])
    assert rows["signal"].tolist() == prices["signal"].tolist()
    assert set(rows["kind"]) == {"L1"}


def test_before_the_first_row_there_is_nothing_to_do(
    settings: Settings, prices: pd.DataFrame, tmp_path: Path
) -> None:
    write_folder(tmp_path / "new", prices)
    report = poll(Day(settings, "2001-01-01"))
    assert (report["state"], report["coins"]) == ("nothing", 0)


def test_a_finding_is_said_on_its_day_and_not_each_day(
    settings: Settings, prices: pd.DataFrame, tmp_path: Path
) -> None:
    days = sorted(prices["date"].unique())
    (of_coin,) = [rows.index for coin, rows in prices.groupby("coin") if coin == prices["coin"][0]]
    assert prices["date"][of_coin[-1]] == days[-1]
    prices.loc[[of_coin[5], of_coin[-1]], "close"] = -1.0
    write_folder(tmp_path / "new", prices)
    said = [poll(Day(settings, f"{day:%Y-%m-%d}"))["findings"] for day in days[-3:]]
    assert [findings.get("nonpositive_close", 0) for findings in said] == [1, 0, 1]


def test_packing_a_table_anew_is_not_taken_for_prices_that_came(
    settings: Settings, prices: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "new", prices)
    days = [f"{day:%Y-%m-%d}" for day in sorted(prices["date"].unique())[-2:]]
    assert [poll(Day(settings, day))["state"] for day in days] == ["done", "done"]
    monkeypatch.setattr(polling, "MOST_DELTAS", 0)
    assert poll(Day(settings, days[-1]))["state"] == "nothing"
