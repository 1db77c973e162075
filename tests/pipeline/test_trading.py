"""The step that trades: what it refuses, and what it leaves alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
import pytest

from cryptodask.errors import InputError
from cryptodask.pipeline.day import Day
from cryptodask.pipeline.settings import Settings, Trade, read_settings
from cryptodask.pipeline.steps import run_day
from cryptodask.pipeline.trading import trade
from cryptodask.prices import import_prices
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.store import Judgement, Request, open_store
from tests.cli.command import inside
from tests.exchange_orders import KEY, SECRET, OrderServer
from tests.exchange_server import Listing

PRICES = {"BTC": 100.0, "ETH": 10.0}
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


# At an exchange.


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OrderServer]:
    """An exchange that trades two coins, whose keys are in the environment."""
    pytest.importorskip("ccxt")
    monkeypatch.setenv("CRYPTODASK_EXCHANGE_KEY", KEY)
    monkeypatch.setenv("CRYPTODASK_EXCHANGE_SECRET", SECRET)
    last = {"BTCUSDT": Decimal(100), "ETHUSDT": Decimal(10)}
    with OrderServer([Listing("BTC"), Listing("ETH")], last=last) as one:
        yield one


def yesterday() -> str:
    return str((datetime.now(UTC) - timedelta(days=1)).date())


def at_exchange(folder: Path, url: str, more: str = "") -> Path:
    """Write settings of an exchange, and a table up to yesterday."""
    dates = pd.date_range(end=yesterday(), periods=40)
    rows = [pd.DataFrame({"coin": c, "date": dates, "close": p}) for c, p in PRICES.items()]
    import_prices(pd.concat(rows), folder / "table")
    file = folder / "pipeline.toml"
    file.write_text(
        f'{TEXT}broker = "ccxt"\nexchange = "binance"\napi_url = "{url}"\n{more}', encoding="utf-8"
    )
    return file


def command(file: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    done = inside("pipeline", "trade", "--settings", file, *options)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_the_command_trades_at_the_exchange_of_the_settings(
    server: OrderServer, tmp_path: Path
) -> None:
    file = at_exchange(tmp_path, server.url)
    ask(read_settings(file), "BTC", yesterday())
    code, report, _ = command(file)
    assert (code, report["state"], report["account"]) == (0, "done", "binance-sandbox")
    assert (report["states"], report["new"]) == ({"filled": 1}, True)
    assert [placed.quantity for placed in server.placed] == [Decimal("0.5")]
    store = tmp_path / "cryptodask.db"
    for what, key in (("orders", "filled"), ("fills", "0.4995"), ("accounts", "binance-sandbox")):
        assert key in inside("store", what, "--store", store).stdout
    # A limit is an alarm, which says what it was; the store keeps it.
    ask(read_settings(file), "ETH", yesterday())
    (tmp_path / "stop-trading").touch()
    code, report, _ = command(file)
    assert (code, report["state"]) == (3, "alarm")
    assert report["alarms"][0].startswith("ETH: buy refused: kill_switch: ")
    listed = inside("store", "orders", "--store", store, "--format", "csv").stdout
    assert "kill_switch: " in listed
    assert len(server.placed) == 1


def test_real_money_is_meant_by_the_settings_and_twice_by_the_command(
    server: OrderServer, tmp_path: Path
) -> None:
    file = at_exchange(tmp_path, server.url)
    for options in (["--live"], ["--live", "--live"]):
        code, _, said = command(file, *options)
        assert code == 2
        assert "write live = true into [trade]" in " ".join(said.split())
    file.write_text(file.read_text() + "live = true\n")
    for options in ([], ["--live"]):
        code, _, said = command(file, *options)
        assert code == 2
        assert "say --live --live to `cryptodask pipeline trade`" in " ".join(said.split())
    assert server.asked == []
    code, report, _ = command(file, "--live", "--live")
    assert (code, report["account"], report["new"]) == (0, "binance-live", True)
    # On paper there is nothing real.
    file.write_text(TEXT)
    code, _, said = command(file, "--live", "--live")
    assert code == 2
    assert "the settings don't say so" in " ".join(said.split())


def test_a_whole_day_hands_on_what_is_said_of_real_money(
    server: OrderServer, tmp_path: Path
) -> None:
    file = at_exchange(tmp_path, server.url, "live = true\n")
    (tmp_path / "new").mkdir()
    for live, state in ((0, "failed"), (1, "failed"), (2, "done")):
        reports: list[dict[str, Any]] = []
        day = Day(read_settings(file), yesterday())
        with pytest.raises(InputError, match="is empty"):  # the poll; a day ends all the same
            run_day(day, foreground=True, live=live, on_report=reports.append)
        [traded] = [report for report in reports if report["step"] == "trade"]
        assert traded["state"] == state


def test_only_yesterday_is_ordered_at_an_exchange(server: OrderServer, tmp_path: Path) -> None:
    file = at_exchange(tmp_path, server.url)
    before = str((datetime.now(UTC) - timedelta(days=2)).date())
    code, report, _ = command(file, "--date", before)
    assert code == 99
    assert report["why"] == f"orders at an exchange are of now, after the close of {yesterday()}"
    assert server.asked == []


def test_without_keys_the_command_names_their_variables(
    server: OrderServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRYPTODASK_EXCHANGE_SECRET")
    code, _, said = command(at_exchange(tmp_path, server.url))
    assert code == 2
    assert "CRYPTODASK_EXCHANGE_SECRET: not set in the environment" in " ".join(said.split())
    assert KEY not in said


def test_no_key_is_in_what_a_step_prints_or_leaves(server: OrderServer, tmp_path: Path) -> None:
    file = at_exchange(tmp_path, server.url)
    ask(read_settings(file), "BTC", yesterday())
    server.fail("dropped", "POST order")
    server.fail("418", "GET order", skip=1, value=500)
    env = os.environ | {"CRYPTODASK_TRACEBACK": "1"}
    words = [sys.executable, "-m", "cryptodask.cli", "pipeline", "trade", "--settings", str(file)]
    lost = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert lost.returncode == 1
    assert "asks to wait 500 s" in lost.stderr
    server.faults.clear()
    ended = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert ended.returncode == 0
    assert len(server.placed) == 1
    texts = [done.stdout + done.stderr for done in (lost, ended)]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (KEY, SECRET):
        assert not [text for text in texts if secret in text]
