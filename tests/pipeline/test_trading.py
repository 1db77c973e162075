"""The step that trades: what it refuses, and what it leaves alone."""

from pathlib import Path

import attrs
import pandas as pd
import pytest

from cryptodask.errors import InputError
from cryptodask.pipeline.day import Day
from cryptodask.pipeline.settings import Settings, Trade, read_settings
from cryptodask.pipeline.trading import trade
from cryptodask.prices import import_prices
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.store import Judgement, Request, open_store

TEXT = """
[prices]
table = "table"
folder = "new"
[forecast]
models = ["naive"]
horizon = 2
[trade]
cash = 100
"""


def settings_of(folder: Path, *, hourly: bool = False) -> tuple[Settings, str]:
    """Return settings with a table of two coins, and its last day."""
    prices = synthetic_prices(2, 40, seed=1)
    if hourly:
        hours = prices.groupby("coin").cumcount() * pd.Timedelta(hours=1)
        prices = prices.assign(date=pd.Timestamp("2026-01-01") + hours)
    import_prices(prices, folder / "table")
    (folder / "pipeline.toml").write_text(TEXT)
    return read_settings(folder / "pipeline.toml"), str(prices["date"].max().date())


def ask(settings: Settings, coin: str, day: str) -> None:
    judgement = Judgement(
        run_key="run", rule="r", coin=coin, model="naive", action="request", seen={}
    )
    with open_store(settings.store) as store:
        store.add_requests([Request(judgement=judgement, cutoff=day, side="buy", weight=0.5)])


def test_an_empty_day_is_settled_and_one_without_a_section_is_not(tmp_path: Path):
    settings, last = settings_of(tmp_path)
    report = trade(Day(settings, last))
    assert (report["state"], report["new"], report["cash"]) == ("done", True, 100.0)
    assert not trade(Day(settings, last))["new"]
    left = trade(Day(attrs.evolve(settings, trade=None), last))
    assert (left["state"], left["why"]) == (
        "nothing", "the settings have no section trade, so that requests are kept and not traded",
    )  # fmt: skip


def test_a_request_becomes_an_order_of_its_weight(tmp_path: Path):
    settings, last = settings_of(tmp_path)
    coin = synthetic_prices(2, 40, seed=1)["coin"].iloc[0]
    ask(settings, coin, last)
    assert trade(Day(settings, last))["orders"] == 1
    closes = synthetic_prices(2, 40, seed=1).groupby("coin")["close"].last()
    with open_store(settings.store) as store:
        order = store.orders().iloc[0]
    assert (order["coin"], order["state"]) == (coin, "open")
    assert order["quantity"] == pytest.approx(50 / closes[coin])


def test_hourly_bars_and_coins_without_prices_are_refused_by_name(tmp_path: Path):
    for name in ("hourly", "daily"):
        (tmp_path / name).mkdir()
    hourly, last = settings_of(tmp_path / "hourly", hourly=True)
    with pytest.raises(InputError, match="has hourly bars, and only days are traded"):
        trade(Day(hourly, last))
    daily, last = settings_of(tmp_path / "daily")
    ask(daily, "Gone", last)
    with pytest.raises(InputError, match="the table has no prices of Gone"):
        trade(Day(daily, last))
    with open_store(daily.store) as store:
        assert store.trading_days().empty


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"cash": 0.0}, "cash: must be above 0"),
        ({"fee": 1.5}, "fee: must be a share"),
        ({"participation": 0.0}, "participation: must be a share above 0"),
        ({"lot": -1.0}, "size: must be a finite number"),
        ({"patience": 0}, "patience"),
    ],
)
def test_what_trading_can_not_be(given: dict[str, float], why: str):
    with pytest.raises((ValueError, InputError), match=why):
        Trade(**given)  # type: ignore[arg-type]
