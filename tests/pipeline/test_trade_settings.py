"""Section [trade] of the settings: what it is by default, and what it can't be."""

from pathlib import Path

import pytest

from cryptodask.errors import CryptoDaskError
from cryptodask.pipeline.settings import Settings, read_settings

REST = """
[prices]
table = "table"
folder = "new"
[forecast]
models = ["naive"]
horizon = 2
[trade]
"""
CCXT = 'broker = "ccxt"\nexchange = "binance"\n'


def read(folder: Path, text: str) -> Settings:
    (folder / "pipeline.toml").write_text(REST + text)
    return read_settings(folder / "pipeline.toml")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "paper"),
        (CCXT, "binance-sandbox"),
        (CCXT + "live = true\n", "binance-live"),
        (CCXT + 'account = "mine"\n', "mine"),
    ],
)
def test_an_account_is_named_after_its_broker(tmp_path: Path, text: str, name: str) -> None:
    trade = read(tmp_path, text).trade
    assert trade is not None
    assert trade.name == name


def test_the_kill_switch_is_beside_the_settings_and_limits_are_low(tmp_path: Path) -> None:
    trade = read(tmp_path, CCXT).trade
    assert trade is not None
    assert trade.limits.kill_switch == tmp_path / "stop-trading"
    assert (trade.limits.order_notional, trade.limits.day_notional) == (100.0, 500.0)
    assert trade.limits.day_orders == 20
    assert not trade.live


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('broker = "other"\n', "broker: must be one of"),
        ('broker = "ccxt"\n', "exchange: is missing"),
        ('exchange = "binance"\n', 'of broker = "ccxt" alone'),
        ("live = true\n", 'of broker = "ccxt" alone'),
        ("order_notional = 9.0\n", 'order_notional: is of broker = "ccxt" alone'),
        ('kill_switch = "x"\nworse = 0.1\n', 'worse, kill_switch: are of broker = "ccxt" alone'),
        (CCXT + 'live = "yes"\n', "live: must be true or false"),
        (CCXT + "worse = 1.0\n", "worse: must be a share from 0 to below 1"),
        (CCXT + "worse = nan\n", "worse: must be a share"),
        (CCXT + "order_notional = 0.0\n", "order_notional: must be above 0"),
        (CCXT + "day_notional = nan\n", "day_notional: must be above 0"),
        (CCXT + "day_orders = 0\n", "day_orders: must be at least 1"),
        (CCXT + 'secret = "x"\n', "'secret': unknown key"),  # pragma: allowlist secret
    ],
)
def test_what_can_not_be_is_refused_by_its_key(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(CryptoDaskError, match=why):
        read(tmp_path, text)
