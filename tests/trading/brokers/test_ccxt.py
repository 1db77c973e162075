"""The broker at an exchange, against a server on this machine that speaks Binance's orders."""

import logging
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
import pytest

from cryptodask.errors import ExchangeError, InputError, OptionError, StoreError
from cryptodask.store import Judgement, Request, open_store
from cryptodask.store.store import Store
from cryptodask.trading.brokers import ccxt as module
from cryptodask.trading.brokers.access import Keys
from cryptodask.trading.brokers.ccxt import ExchangeBroker, client_id
from cryptodask.trading.brokers.exchange import Exchange
from cryptodask.trading.brokers.limits import Limits
from cryptodask.trading.terms import Lots
from tests.exchange_orders import KEY, SECRET, OrderServer
from tests.exchange_server import Listing
from tests.store.conftest import killed_at, new_database

pytest.importorskip("ccxt")

DAY, NEXT = "2026-01-10", "2026-01-11"
CLOSES = {"BTC": 100.0, "ETH": 10.0, "XRP": 1.0, "Nowhere": 5.0, "BNB": 500.0}
WINDOW = 10.0 + module.MARGIN
"""Seconds after which an order that the exchange does not know never reached it."""


class Waits(list[float]):
    """A sleep that writes down how long, and does not wait."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def new_server(**options: Any) -> OrderServer:
    listings = [Listing("BTC"), Listing("ETH"), Listing("BNB"), Listing("XRP", status="BREAK")]
    last = {f"{coin}USDT": Decimal(str(close)) for coin, close in CLOSES.items()}
    return OrderServer(listings, last=last, **options)


@pytest.fixture
def server() -> Iterator[OrderServer]:
    with new_server() as one:
        yield one


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as one:
        yield one


def broker_at(url: str, folder: Path, **options: Any) -> ExchangeBroker:
    """Return a broker of an account of 1,000, that waits for nothing."""
    limits = {"order_notional": 1e4, "day_notional": 1e5, "day_orders": 100}
    limits |= {key: options.pop(key) for key in list(options) if key in limits}
    keys = options.pop("keys", Keys(KEY, SECRET))
    sleep = options.pop("sleep", Waits())
    exchange = Exchange(
        "binance", "USDT", keys, live=options.pop("live", False), api_url=url, timeout=5,
        retries=options.pop("retries", 2), sleep=sleep,
    )  # fmt: skip
    exchange._client.api.enableRateLimit = False
    about = {"account": "binance-sandbox", "cash": 1_000.0, "fee": 0.001, "worse": 0.01} | options
    about = {"lots": Lots(), "patience": 1, "sleep": sleep} | about
    return ExchangeBroker(
        exchange=exchange, limits=Limits(kill_switch=folder / "stop", **limits), **about
    )


def ask(store: Store, *asks: tuple[str, str, float], day: str = DAY) -> None:
    """Store requests: coin, side, and share of the equity."""
    store.add_requests(
        Request(
            judgement=Judgement(
                run_key=f"run of {day}", rule="r", coin=coin, model="m", action="request", seen={}
            ),
            cutoff=day, side=side, weight=weight,
        )
        for coin, side, weight in asks
    )  # fmt: skip


def bars_of(coins: Sequence[str], day: str, dates: Sequence[str] | None = None) -> pd.DataFrame:
    rows = [(coin, day, CLOSES[coin], CLOSES[coin], 1e9) for coin in sorted(coins)]
    frame = pd.DataFrame(rows, columns=["coin", "date", "open", "close", "volume"])
    return frame.assign(date=pd.Series(dates or frame["date"]).astype("datetime64[s]"))


def trade(broker: ExchangeBroker, store: Store, day: str = DAY) -> tuple[dict[str, Any], bool]:
    since = str(pd.Timestamp(day) - pd.Timedelta(days=7))[:10]
    return broker.trade(store, day, since, partial(bars_of, day=day))


def states(store: Store) -> dict[str, str]:
    orders = store.orders()
    return dict(zip(orders["coin"], orders["state"], strict=True))


def reasons(store: Store) -> dict[str, str]:
    orders = store.orders()
    return dict(zip(orders["coin"], orders["reason"], strict=True))


def check_account(store: Store, server: OrderServer, report: dict[str, Any]) -> None:
    """Check that cash and coins changed as the exchange's did."""
    begin = 10_000 - 1_000
    assert report["cash"] == pytest.approx(
        float(server.balances["USDT"] + server.locked.get("USDT", Decimal(0))) - begin, rel=1e-12
    )
    fills = store.fills()
    signed = fills["quantity"].where(fills["side"] == "buy", -fills["quantity"])
    for coin, quantity in signed.groupby(fills["coin"]).sum().items():
        there = server.balances[str(coin)] + server.locked.get(str(coin), Decimal(0))
        assert quantity == pytest.approx(float(there), rel=1e-9)


# A day on which nothing fails.


def test_a_request_becomes_a_limit_order_by_the_exchanges_steps_and_is_filled(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.33337))
    broker = broker_at(server.url, tmp_path)
    report, is_new = trade(broker, store)
    [placed] = server.placed
    # 333.37 at a close of 100, in steps of 0.001; at most 1% above it.
    assert (placed.symbol, placed.side) == ("BTCUSDT", "BUY")
    assert (placed.quantity, placed.price) == (Decimal("3.333"), Decimal("101"))
    key = store.requests()["key"].iloc[0]
    assert placed.client == client_id("binance-sandbox", key)
    order = store.orders().iloc[0]
    assert (order["state"], order["filled"], order["price"]) == ("filled", 3.333, 101.0)
    assert (order["number"], order["client"]) == (str(placed.number), placed.client)
    fill = store.fills().iloc[0]
    # The fee was taken from the coins.
    assert fill["quantity"] == pytest.approx(3.333 * 0.999, rel=1e-12)
    assert fill["fee"] == pytest.approx(0.3333, rel=1e-12)
    assert (fill["price"], fill["slipped"], fill["trade"]) == (100.0, 0.0, "28000")
    assert is_new
    assert report["states"] == {"filled": 1}
    assert report["cash"] == pytest.approx(1_000 - 333.3, rel=1e-12)
    assert report["equity"] == pytest.approx(1_000 - 0.3333, rel=1e-12)
    assert report["alarms"] == []
    check_account(store, server, report)


def test_a_day_again_orders_nothing_and_reports_the_same(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.2), ("ETH", "buy", 0.2))
    first, _ = trade(broker_at(server.url, tmp_path), store)
    again, is_new = trade(broker_at(server.url, tmp_path), store)
    assert (again, is_new) == (first, False)
    assert len(server.placed) == server.calls("POST order") == 2
    assert len(store.trading_days()) == 1


def test_sales_come_first_and_pay_for_what_is_bought(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("ETH", "buy", 0.99))
    trade(broker_at(server.url, tmp_path), store)
    ask(store, ("BTC", "buy", 0.6), ("ETH", "sell", 0.1), day=NEXT)
    report, _ = trade(broker_at(server.url, tmp_path), store, NEXT)
    assert [(one.side, one.symbol) for one in server.placed[1:]] == [
        ("SELL", "ETHUSDT"), ("BUY", "BTCUSDT"),
    ]  # fmt: skip
    assert set(states(store).values()) == {"filled"}
    assert report["fills"] == 2
    check_account(store, server, report)


def test_no_more_is_bought_than_the_account_has(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.7), ("ETH", "buy", 0.7))
    report, _ = trade(broker_at(server.url, tmp_path), store)
    assert 0 <= report["cash"] < 20
    assert sum(reason == reason for reason in reasons(store).values()) == 1
    assert "cash: " in str(list(reasons(store).values()))
    check_account(store, server, report)


def test_a_price_that_is_rounded_up_is_paid_for(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    # The limit is 0.126, in steps of 0.01 it is 0.13; and the market is there.
    server.listings.append(Listing("LOW"))
    server.last["LOWUSDT"] = Decimal("0.13")
    ask(store, ("LOW", "buy", 0.999))
    closes = bars_of(["BTC"], DAY).assign(coin="LOW", close=0.1248)
    report, _ = broker_at(server.url, tmp_path).trade(store, DAY, "2026-01-03", lambda _: closes)
    assert states(store) == {"LOW": "filled"}
    assert 0 <= report["cash"] < 2
    check_account(store, server, report)


def test_an_order_is_filled_in_parts_over_days_and_each_trade_counts_once(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.5))
    server.depth["BTCUSDT"], server.pieces, server.trades_page = Decimal(2), 5, 2
    broker = broker_at(server.url, tmp_path, patience=3)
    report, _ = trade(broker, store)
    assert states(store) == {"BTC": "partial"}
    assert (report["waiting"], report["fills"], len(store.fills())) == (1, 5, 5)
    assert store.orders()["filled"].iloc[0] == pytest.approx(2.0)
    server.trade(server.placed[0], Decimal(1), Decimal("99.5"))
    trade(broker, store)
    assert states(store) == {"BTC": "partial"}
    server.trade(server.placed[0], Decimal(2), Decimal("99.5"))
    report, _ = trade(broker, store, NEXT)
    assert states(store) == {"BTC": "filled"}
    fills = store.fills()
    assert fills["trade"].tolist() == [str(28_000 + i) for i in range(7)]
    assert fills["slipped"].tolist() == pytest.approx([0.0] * 5 + [-0.5, -1.0])
    assert report["fills"] == 1
    check_account(store, server, report)


def test_an_order_that_waits_too_long_is_canceled_and_its_cash_is_free(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.9))
    server.last["BTCUSDT"] = Decimal(105)  # beyond the limit
    trade(broker_at(server.url, tmp_path), store)
    assert states(store) == {"BTC": "open"}
    ask(store, ("ETH", "buy", 0.9), day=NEXT)
    report, _ = trade(broker_at(server.url, tmp_path), store, NEXT)
    assert states(store) == {"BTC": "canceled", "ETH": "filled"}
    assert reasons(store)["BTC"] == "was not filled within 1 day"
    assert server.placed[0].status == "CANCELED"
    check_account(store, server, report)


def test_an_order_is_canceled_when_a_later_request_wants_the_other_side(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.9))
    server.depth["BTCUSDT"], server.balances["BTC"] = Decimal(2), Decimal(50)  # of somebody else
    broker = broker_at(server.url, tmp_path, patience=5)
    trade(broker, store)
    server.depth["BTCUSDT"] = Decimal(100)
    ask(store, ("BTC", "sell", 0.0), day=NEXT)
    trade(broker, store, NEXT)
    orders = store.orders()
    assert orders["state"].tolist() == ["canceled", "filled"]
    assert orders["reason"][0] == "was not filled before a later request wanted the other side"
    # What is sold is what the account has, and not what waited or what else is there.
    bought = store.fills().query("side == 'buy'")["quantity"].sum()
    assert orders["quantity"][1] == pytest.approx(bought, abs=0.001) == pytest.approx(1.998)
    assert server.balances["BTC"] >= 50


def test_an_order_that_is_filled_while_the_day_begins_is_no_alarm(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.5))
    server.last["BTCUSDT"] = Decimal(105)  # beyond the limit
    broker = broker_at(server.url, tmp_path, patience=3)
    trade(broker, store)
    fill = partial(server.trade, server.placed[0], Decimal(5), Decimal(100))
    server.fail("after", "GET account", value=fill)
    report, _ = trade(broker, store, NEXT)
    assert states(store) == {"BTC": "filled"}
    assert report["alarms"] == []
    check_account(store, server, report)


def test_what_was_canceled_or_expired_there_is_so_here(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.4), ("ETH", "buy", 0.4))
    server.depth |= {"BTCUSDT": Decimal(1), "ETHUSDT": Decimal(0)}
    broker = broker_at(server.url, tmp_path, patience=5)
    trade(broker, store)
    for placed in server.placed:
        server.close(placed, "CANCELED" if placed.symbol == "BTCUSDT" else "EXPIRED")
    report, _ = trade(broker, store)
    assert states(store) == {"BTC": "canceled", "ETH": "expired"}
    assert store.orders().set_index("coin")["filled"].to_dict() == {"BTC": 1.0, "ETH": 0.0}
    check_account(store, server, report)


def test_fees_in_another_coin_are_counted_at_its_price(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.fee_in, server.balances["BNB"] = "BNB", Decimal(1)
    ask(store, ("BTC", "buy", 0.5))
    report, _ = trade(broker_at(server.url, tmp_path), store)
    assert report["fees"] == pytest.approx(0.5, rel=1e-9)
    assert report["cash"] == pytest.approx(499.5, rel=1e-9)
    assert store.fills()["quantity"].sum() == 5.0


def test_what_the_exchange_lacks_is_an_alarm(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.5))
    trade(broker_at(server.url, tmp_path), store)
    server.balances["BTC"] = Decimal(1)
    report, _ = trade(broker_at(server.url, tmp_path), store)
    assert report["alarms"] == [
        "BTC: the account has 4.995 by its fills, and binance sandbox has 1"
    ]


def test_an_order_of_a_coin_that_left_the_exchange_is_an_alarm_and_stops_no_other(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.depth["BTCUSDT"] = Decimal(0)
    ask(store, ("BTC", "buy", 0.2))
    trade(broker_at(server.url, tmp_path), store)
    del server.listings[0]
    ask(store, ("ETH", "buy", 0.2), day=NEXT)
    books = store.books("binance-sandbox", "binance sandbox", 1_000.0, DAY, DAY)
    for state in ("open", "sending"):
        store.keep_order("binance-sandbox", attrs.evolve(books.orders[0], state=state))
        report, _ = trade(broker_at(server.url, tmp_path), store, NEXT)
        assert states(store) == {"BTC": state, "ETH": "filled"}
        assert "BTC: binance sandbox has no market of it any more" in report["alarms"][0]


# What is refused.


@pytest.mark.parametrize(
    ("coin", "weight", "options", "reason"),
    [
        ("BTC", 0.5, {"order_notional": 504.9}, "order_notional: 505.00 is over 504.90"),
        ("BTC", 0.5, {"day_notional": 504.9}, "day_notional: 0.00 were sent today, and 505.00"),
        ("BTC", 0.001, {}, "cost: 1.01 is under 5"),
        ("BTC", 0.5, {"worse": 1e5}, "price: 10000100 is over 1000000"),
        ("BTC", 0.00001, {}, "precision: binance amount of BTC/USDT must be greater than"),
        ("Nowhere", 0.5, {}, "market: binance sandbox has no spot market: Nowhere in USDT"),
        ("XRP", 0.5, {}, "market: binance sandbox does not trade now: XRP in USDT"),
    ],
)
def test_an_order_beyond_a_limit_is_refused_by_name_and_not_sent(
    server: OrderServer, store: Store, tmp_path: Path, coin: str, weight: float,
    options: dict[str, float], reason: str,
) -> None:  # fmt: skip
    ask(store, (coin, "buy", weight))
    report, _ = trade(broker_at(server.url, tmp_path, **options), store)
    assert states(store) == {coin: "refused"}
    assert reasons(store)[coin].startswith(reason)
    assert report["alarms"][0].startswith(f"{coin}: buy refused: {reason}")
    assert server.calls("POST order") == 0
    # It is not asked for a second time.
    assert trade(broker_at(server.url, tmp_path), store)[0]["states"] == {"refused": 1}
    assert server.calls("POST order") == 0


def test_limits_of_a_day_count_what_was_sent_on_it(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.2), ("ETH", "buy", 0.2))
    trade(broker_at(server.url, tmp_path, day_orders=1), store)
    assert sorted(states(store).values()) == ["filled", "refused"]
    assert "day_orders: 1 were sent today, and the limit is 1" in list(reasons(store).values())
    ask(store, ("BNB", "buy", 0.2), day=NEXT)
    trade(broker_at(server.url, tmp_path, day_notional=300.0), store, NEXT)
    assert reasons(store)["BNB"].startswith("day_notional: 202.00 were sent today, and 201.50")


def test_the_kill_switch_is_looked_at_before_each_order(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.2), ("ETH", "buy", 0.2))
    # Somebody makes the file while the first order is on its way.
    server.fail("after", "POST order", value=(tmp_path / "stop").touch)
    report, _ = trade(broker_at(server.url, tmp_path), store)
    assert sorted(states(store).values()) == ["filled", "refused"]
    assert "kill_switch: " in report["alarms"][0]
    assert len(server.placed) == 1
    # While it waits for the exchange to have room, too; and one that can't be looked at is there.
    (tmp_path / "stop").unlink()
    ask(store, ("BNB", "buy", 0.2), day=NEXT)
    server.fail("429", "POST order", value=3)

    def stop(seconds: float) -> None:
        assert seconds >= 3
        (tmp_path / "stop").symlink_to("nowhere")

    trade(broker_at(server.url, tmp_path, sleep=stop), store, NEXT)
    assert reasons(store)["BNB"].startswith("kill_switch: ")
    assert len(server.placed) == 1


def test_a_price_of_another_day_is_refused(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.2))
    bars = partial(bars_of, day=DAY, dates=["2026-01-08"])
    broker_at(server.url, tmp_path).trade(store, DAY, "2026-01-03", bars)
    assert reasons(store) == {"BTC": "price: the last close is of 2026-01-08"}
    assert server.calls("POST order") == 0


def test_limits_that_can_not_be_are_refused(tmp_path: Path) -> None:
    for name in ("order_notional", "day_notional", "day_orders"):
        for value in (0, -1, float("nan")):
            with pytest.raises(OptionError, match=f"{name}: must be above 0"):
                broker_at("http://127.0.0.1:9", tmp_path, **{name: value})


# What the exchange rejects, and what is lost on the way.


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Account has insufficient balance for requested action.", "Account has insufficient"),
        ("Filter failure: PERCENT_PRICE_BY_SIDE", "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ("Market is closed.", "Market is closed."),
    ],
)
def test_a_rejected_order_has_the_exchanges_reason(
    server: OrderServer, store: Store, tmp_path: Path, code: str, message: str
) -> None:
    server.fail("code", "POST order", value=(400, -2010 if "balance" in code else -1013, code))
    ask(store, ("BTC", "buy", 0.5))
    report, _ = trade(broker_at(server.url, tmp_path), store)
    assert states(store) == {"BTC": "rejected"}
    assert message in reasons(store)["BTC"]
    assert report["alarms"]
    assert server.calls("POST order") == 1
    trade(broker_at(server.url, tmp_path), store)
    assert server.calls("POST order") == 1


def test_more_than_the_exchange_has_is_rejected_there(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.balances["USDT"] = Decimal(50)
    ask(store, ("BTC", "buy", 0.5))
    report, _ = trade(broker_at(server.url, tmp_path), store)
    assert states(store) == {"BTC": "rejected"}
    assert "insufficient balance" in reasons(store)["BTC"]
    assert report["alarms"][0].startswith("USDT: the account has 1000 by its fills")


@pytest.mark.parametrize("kind", ["dropped", "odd"])
def test_an_order_that_was_taken_and_whose_answer_was_lost_is_found_and_not_sent_again(
    server: OrderServer, store: Store, tmp_path: Path, kind: str
) -> None:
    server.fail(kind, "POST order")
    ask(store, ("BTC", "buy", 0.5))
    report, _ = trade(broker_at(server.url, tmp_path), store)
    assert states(store) == {"BTC": "filled"}
    assert pd.isna(reasons(store)["BTC"])
    assert len(server.placed) == server.calls("POST order") == 1
    check_account(store, server, report)


@pytest.mark.parametrize("kind", ["reset", "503", "500"])
def test_an_order_that_was_not_taken_is_sent_again_once_it_can_not_arrive_any_more(
    server: OrderServer, store: Store, tmp_path: Path, kind: str
) -> None:
    server.fail(kind, "POST order")
    ask(store, ("BTC", "buy", 0.5))
    broker = broker_at(server.url, tmp_path)
    report, _ = trade(broker, store)
    assert states(store) == {"BTC": "filled"}
    assert (len(server.placed), server.calls("POST order")) == (1, 2)
    assert WINDOW - 2 < sum(broker.sleep) <= WINDOW + 1  # type: ignore[call-overload]
    check_account(store, server, report)


def test_a_request_that_is_slow_to_arrive_is_waited_for(
    server: OrderServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MARGIN", 0.3)
    server.fail("late", "POST order", value=0.5)
    ask(store, ("BTC", "buy", 0.5))
    broker = broker_at(server.url, tmp_path, sleep=time.sleep)
    broker.exchange._client.api.options["recvWindow"] = 600
    trade(broker, store)
    assert states(store) == {"BTC": "filled"}
    assert len(server.placed) == server.calls("POST order") == 1


def test_an_order_whose_fate_is_unknown_is_resolved_by_the_next_run(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.fail("dropped", "POST order")
    server.fail("reset", "GET order", skip=1, times=3)
    ask(store, ("BTC", "buy", 0.5), ("ETH", "buy", 0.1))
    with pytest.raises(ExchangeError, match="can't be had"):
        trade(broker_at(server.url, tmp_path), store)
    assert sorted(states(store).values()) == ["planned", "unknown"]
    assert store.trading_days().empty
    report, is_new = trade(broker_at(server.url, tmp_path), store)
    assert is_new
    assert set(states(store).values()) == {"filled"}
    assert len(server.placed) == server.calls("POST order") == 2
    check_account(store, server, report)


def test_an_order_that_never_arrives_is_an_error_and_expires(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.fail("reset", "POST order", times=module.ATTEMPTS)
    ask(store, ("BTC", "buy", 0.5))
    with pytest.raises(ExchangeError, match="of BTC did not arrive, 2 times: NetworkError"):
        trade(broker_at(server.url, tmp_path), store)
    assert states(store) == {"BTC": "unknown"}
    report, _ = trade(broker_at(server.url, tmp_path), store, NEXT)
    assert states(store) == {"BTC": "expired"}
    assert reasons(store)["BTC"] == "never reached binance sandbox within 1 day"
    assert report["alarms"] == [f"BTC: buy expired: {reasons(store)['BTC']}"]
    assert server.placed == []


def test_an_order_that_the_exchange_does_not_find_at_first_is_not_made_twice(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.depth["BTCUSDT"] = Decimal(0)
    ask(store, ("BTC", "buy", 0.5))
    trade(broker_at(server.url, tmp_path), store)
    order = store.orders().iloc[0]
    # As if this process had died before it wrote what the exchange had said.
    books = store.books("binance-sandbox", "binance sandbox", 1_000.0, DAY, DAY)
    store.keep_order("binance-sandbox", attrs.evolve(books.orders[0], state="sending"))
    server.fail("code", "GET order", value=(400, -2013, "Order does not exist."), times=3)
    trade(broker_at(server.url, tmp_path), store)
    assert states(store) == {"BTC": "open"}
    assert store.orders()["number"].iloc[0] == order["number"]
    assert (len(server.placed), server.calls("POST order")) == (1, 2)


def test_trades_that_are_listed_late_are_read_later(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.fail("lag", "GET myTrades")
    ask(store, ("BTC", "buy", 0.5))
    trade(broker_at(server.url, tmp_path), store)
    assert states(store) == {"BTC": "partial"}
    assert reasons(store)["BTC"] == "trades: 0 of 5 are listed"
    report, _ = trade(broker_at(server.url, tmp_path), store, NEXT)
    assert states(store) == {"BTC": "filled"}
    check_account(store, server, report)


def test_it_waits_as_long_as_the_exchange_says_and_not_longer_than_it_may(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    server.fail("429", "POST order", value=7)
    ask(store, ("BTC", "buy", 0.2))
    broker = broker_at(server.url, tmp_path)
    trade(broker, store)
    assert broker.sleep == [7.0]
    assert states(store) == {"BTC": "filled"}
    ask(store, ("ETH", "buy", 0.2), day=NEXT)
    server.fail("418", "POST order", value=500)
    with pytest.raises(ExchangeError, match="asks to wait 500 s"):
        trade(broker, store, NEXT)
    assert states(store) == {"BTC": "filled", "ETH": "sending"}
    server.fail("429", "POST order", times=3)
    with pytest.raises(ExchangeError, match=r"has no room for orders: .* run the step again later"):
        trade(broker, store, NEXT)
    assert len(server.placed) == 1
    report, _ = trade(broker, store, NEXT)
    assert states(store) == {"BTC": "filled", "ETH": "filled"}
    assert len(server.placed) == 2
    check_account(store, server, report)


def test_without_the_exchange_or_with_a_wrong_clock_nothing_is_decided(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.5))
    server.clock = 3600.0
    with pytest.raises(ExchangeError, match="Timestamp for this request is outside"):
        trade(broker_at(server.url, tmp_path), store)
    server.stop()
    with pytest.raises(ExchangeError, match="balances can't be had"):
        trade(broker_at(server.url, tmp_path), store)
    assert store.orders().empty


# Keys and places.


def test_keys_are_in_no_error_log_text_or_store(
    server: OrderServer, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = Keys("another-key-XYZ", "another-secret-XYZ")
    ask(store, ("BTC", "buy", 0.5))
    texts = [repr(keys)]
    for kind in (None, "reset", "503", "code"):
        if kind:
            value = (400, -1, "another-key-XYZ another-secret-XYZ")
            server.fail(kind, "GET account", times=1 if kind == "code" else 3, value=value)
        broker = broker_at(server.url, tmp_path, keys=keys)
        with pytest.raises(ExchangeError) as failed:
            trade(broker, store)
        texts += [repr(broker), str(broker.exchange), str(failed.value), repr(failed.value)]
        assert failed.value.__cause__ is None
        assert "signature=" not in str(failed.value)
    server.fail("reset", "POST order")
    trade(broker_at(server.url, tmp_path), store)
    for file in tmp_path.iterdir():
        texts.append(file.read_bytes().decode("latin-1"))
    texts.append(caplog.text)
    assert "/api/v3/order" in caplog.text
    for secret in ("another-key-XYZ", "another-secret-XYZ", KEY, SECRET):
        assert not [text for text in texts if secret in text]


def test_keys_do_not_follow_a_redirect(server: OrderServer, store: Store, tmp_path: Path) -> None:
    with new_server() as other:
        server.fail("redirect", "GET account", times=9, value=f"{other.url}/api/v3/account")
        with pytest.raises(ExchangeError, match="redirect"):
            trade(broker_at(server.url, tmp_path), store)
        assert other.asked == []


def test_it_is_the_sandbox_unless_it_is_live() -> None:
    about = {"keys": Keys(KEY, SECRET), "api_url": None, "sleep": Waits()}
    for live, host in ((False, "testnet.binance.vision"), (True, "api.binance.com")):
        exchange = Exchange("binance", "USDT", live=live, **about)  # type: ignore[arg-type]
        urls = exchange._client.api.urls["api"]
        assert {urls["private"], urls["public"]} == {f"https://{host}/api/v3"}
        assert exchange._client.api.isSandboxModeEnabled is not live
    for url, why in (
        ("https://api.binance.com", "neither on this machine nor of the sandbox"),
        ("https://evil.example.com", "neither on this machine nor of the sandbox"),
        ("http://testnet.binance.vision", "must be https"),
    ):
        with pytest.raises(OptionError, match=why):
            Exchange("binance", "USDT", live=False, **about | {"api_url": url})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="must be https"):
        Exchange("binance", "USDT", live=True, **about | {"api_url": "http://api.binance.com"})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="orders are known of binance alone, got 'kraken'"):
        Exchange("kraken", "USDT", live=False, **about)  # type: ignore[arg-type]


def test_an_account_is_of_one_place(server: OrderServer, store: Store, tmp_path: Path) -> None:
    trade(broker_at(server.url, tmp_path), store)
    with pytest.raises(StoreError, match="is of binance sandbox, and the settings say binance liv"):
        trade(broker_at(server.url, tmp_path, live=True), store)
    report, _ = trade(broker_at(server.url, tmp_path, live=True, account="real"), store)
    assert report["cash"] == 1_000.0
    with pytest.raises(StoreError, match="was opened with 1,000"):
        trade(broker_at(server.url, tmp_path, cash=5.0), store)


def test_a_coin_without_prices_is_an_error(
    server: OrderServer, store: Store, tmp_path: Path
) -> None:
    ask(store, ("BTC", "buy", 0.5))
    broker = broker_at(server.url, tmp_path)
    with pytest.raises(InputError, match="no prices of BTC"):
        broker.trade(store, DAY, "2026-01-03", lambda _: bars_of([], DAY))
    assert store.orders().empty


# Processes that are killed, and two at once.


def one_run(store: Store, account: str, url: str, folder: Path, day: str = NEXT) -> None:
    # What the exchange does not know after a kill, it will not: nothing is on its way here.
    trade(broker_at(url, folder, account=account, sleep=Waits()), store, day)


def frames(store: Store, account: str) -> dict[str, pd.DataFrame]:
    """Return all that a store has of an account, without what differs from one to the next."""
    orders, fills, days = (get(account) for get in (store.orders, store.fills, store.trading_days))
    return {
        "orders": orders.drop(columns=["id", "account", "client", "number", "sent"]),
        "fills": fills.drop(columns=["account", "order", "date", "trade"]),
        "days": days.drop(columns="account"),
    }


def begin(store: Store, account: str, url: str, folder: Path) -> None:
    one_run(store, account, url, folder, DAY)


def check_as_if_undisturbed(store: Store, server: OrderServer, account: str) -> None:
    clean = frames(store, "clean")
    for name, frame in frames(store, account).items():
        pd.testing.assert_frame_equal(frame, clean[name], obj=f"{name} of {account}")
    clients = store.orders(account)["client"]
    mine = [placed for placed in server.placed if placed.client in set(clients)]
    assert len(mine) == len({placed.client for placed in mine}) == 3


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place for a store, in which there is none yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "store.db")
    else:
        yield from new_database()


@pytest.fixture
def busy(place: str, tmp_path: Path) -> Iterator[tuple[Store, OrderServer]]:
    """A store in which each account has a sale, a purchase and an order to cancel on `NEXT`."""
    with new_server(pieces=2, balances={"USDT": Decimal(10**7)}) as one, open_store(place) as store:
        ask(store, ("ETH", "buy", 0.9))
        ask(store, ("ETH", "sell", 0.2), ("BTC", "buy", 0.5), ("XRP", "buy", 0.1), day=NEXT)
        for day in (DAY, NEXT):
            one_run(store, "clean", one.url, tmp_path, day)
        assert states(store) == {"ETH": "filled", "BTC": "filled", "XRP": "refused"}
        yield store, one


def kill_before(
    busy: tuple[Store, OrderServer], place: str, folder: Path, moments: Sequence[int]
) -> int:
    """Kill a day before each of its statements of SQL, and do it again; return how often."""
    store, server = busy
    killed = 0
    for moment in moments:
        account = f"killed before {moment}"
        begin(store, account, server.url, folder)
        run = partial(one_run, account=account, url=server.url, folder=folder)
        if not killed_at(place, run, moment):
            break
        killed += 1
        one_run(store, account, server.url, folder)
        check_as_if_undisturbed(store, server, account)
    return killed


def test_killed_before_any_statement_a_day_ends_as_if_undisturbed(
    busy: tuple[Store, OrderServer],
    place: str,
    tmp_path: Path,
) -> None:
    moments = random.Random(1).sample(range(1, 60), 6)
    assert kill_before(busy, place, tmp_path, moments) == len(moments)


@pytest.mark.slow
def test_killed_before_every_statement_a_day_ends_as_if_undisturbed(
    busy: tuple[Store, OrderServer], place: str, tmp_path: Path
) -> None:
    killed = kill_before(busy, place, tmp_path, range(1, 200))
    assert 60 < killed < 190


def test_killed_while_it_waits_for_an_answer_a_day_ends_as_if_undisturbed(
    busy: tuple[Store, OrderServer],
    place: str,
    tmp_path: Path,
) -> None:
    store, server = busy
    pid = tmp_path / "pid"

    def run(store: Store, account: str) -> None:
        pid.write_text(str(os.getpid()))
        one_run(store, account, server.url, tmp_path)

    def kill() -> None:
        os.kill(int(pid.read_text()), signal.SIGKILL)
        time.sleep(0.05)

    moments = [("before", "POST order", skip) for skip in range(2)]
    for name, requests in (
        ("GET account", 1), ("GET order", 2), ("POST order", 2), ("GET myTrades", 2),
    ):  # fmt: skip
        moments += [("after", name, skip) for skip in range(requests)]
    for kind, name, skip in moments:
        account = f"killed {kind} {name} {skip}"
        begin(store, account, server.url, tmp_path)
        server.fail(kind, name, skip=skip, value=kill)
        assert killed_at(place, partial(run, account=account), 10_000)
        one_run(store, account, server.url, tmp_path)
        check_as_if_undisturbed(store, server, account)


def run_at(place: str, url: str, folder: Path) -> None:
    with open_store(place) as store:
        one_run(store, "many", url, folder)


def test_of_several_processes_at_once_one_trades(
    busy: tuple[Store, OrderServer],
    place: str,
    tmp_path: Path,
) -> None:
    store, server = busy
    begin(store, "many", server.url, tmp_path)
    act: Callable[[], Any] = partial(run_at, place, server.url, tmp_path)
    processes = [get_context("spawn").Process(target=act) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 3
    check_as_if_undisturbed(store, server, "many")


# Answers that can't be.


def _with(**fields: Any) -> Callable[[Any], Any]:
    """Return what changes fields of an order, or of each trade of a list."""

    def changed(answer: Any) -> Any:
        if isinstance(answer, list):
            return [one | fields for one in answer]
        return answer | fields

    return changed


@pytest.mark.parametrize(
    ("what", "wrong", "message"),
    [
        ("GET order", _with(clientOrderId="of-another"), "another order than"),
        ("GET order", _with(symbol="ETHUSDT"), "another order than"),
        ("GET order", _with(side="SELL"), "another order than"),
        ("GET order", _with(orderId=9), "another order than"),
        ("GET order", _with(origQty="7"), "of another quantity than 5"),
        ("GET order", _with(executedQty="6"), "with 6.0 filled of 5"),
        ("GET order", _with(executedQty="-1"), "with -1.0 filled of 5"),
        ("GET myTrades", _with(qty="-1"), "a trade that can't be"),
        ("GET myTrades", _with(qty="NaN"), "a trade that can't be"),
        ("GET myTrades", _with(price="0"), "a trade that can't be"),
        ("GET myTrades", _with(isBuyer=False), "a trade that can't be"),
        ("GET myTrades", _with(commission="NaN"), "a trade that can't be"),
        ("GET myTrades", _with(time=int((time.time() + 1e6) * 1000)), "a trade that can't be"),
        ("GET myTrades", _with(id="x"), "a trade that can't be"),
        ("GET myTrades", _with(qty="6"), "its trades are 6"),
        ("GET myTrades", lambda page: [*page, page[0] | {"id": 7}], "its trades are 8"),
        ("GET myTrades", lambda page: "soon", "trades of order 1000 can't be had"),
    ],
)
def test_an_answer_that_can_not_be_is_an_error_and_changes_nothing(
    what: str,
    wrong: Callable[[Any], Any],
    message: str,
    server: OrderServer,
    store: Store,
    tmp_path: Path,
) -> None:
    ask(store, ("BTC", "buy", 0.5))
    server.last["BTCUSDT"] = Decimal(105)  # beyond the limit
    broker = broker_at(server.url, tmp_path, patience=3, retries=0)
    trade(broker, store)
    server.trade(server.placed[0], Decimal(4), Decimal(100))
    if what == "GET myTrades":
        server.close(server.placed[0], "CANCELED")
    server.fail("wrong", what, times=99, value=wrong)
    with pytest.raises(ExchangeError, match=message) as raised:
        trade(broker, store, NEXT)
    assert SECRET not in str(raised.value)
    assert KEY not in str(raised.value)
    assert store.fills().empty
    assert states(store) == {"BTC": "open"}
    server.faults.clear()
    report, _ = trade(broker, store, NEXT)
    assert store.fills()["quantity"].sum() == pytest.approx(4 * 0.999)
    check_account(store, server, report)
