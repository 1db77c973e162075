"""Accounts at exchanges in both databases: orders and trades once, one process at a time."""

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import attrs
import pytest

from cryptodask.errors import StoreError
from cryptodask.store import Judgement, Request, exchanging, open_store
from cryptodask.store.records import Fill, Order, Settled
from cryptodask.store.store import Store
from tests.store.conftest import killed_at

DAY = "2026-01-10"
ORDER = Order(
    request=1, coin="A", decided=DAY, side="buy", quantity=2.0, state="planned", close=9.0,
    client="c",
)  # fmt: skip
FILL = Fill(
    request=1, date="2026-01-11T00:30:00", quantity=1.0, price=10.0, fee=0.1, slipped=1.0, trade="7"
)


def begin(store: Store) -> None:
    """Store a request, and an account with an order for it."""
    judgement = Judgement(run_key="k", rule="r", coin="A", model="m", action="request", seen={})
    store.add_requests([Request(judgement=judgement, cutoff=DAY, side="buy", weight=0.1)])
    books = store.books("x", "binance sandbox", 100.0, DAY, DAY)
    assert books.wanted == [(1, "A", "buy", 0.1)]
    assert list(books.keys) == [1]
    store.add_orders("x", [ORDER])


def test_an_order_and_a_trade_are_there_once_and_cash_follows(place: str) -> None:
    with open_store(place) as store:
        begin(store)
        store.add_orders("x", [attrs.evolve(ORDER, quantity=5.0)])
        sent = attrs.evolve(
            ORDER, state="partial", filled=1.0, price=11.0, number="77", sent="2026-01-11T00:30:00",
            reason="why",
        )  # fmt: skip
        second = attrs.evolve(FILL, trade="8", quantity=0.5)  # in the same second
        for fills in ([FILL], [FILL, second], [second]):
            store.keep_order("x", sent, fills)
        books = store.books("x", "binance sandbox", 100.0, DAY, DAY)
        assert books.orders == [sent]
        assert books.positions == {"A": 1.5}
        assert books.cash == pytest.approx(100 - 15 - 0.2)
        assert books.wanted == []
        assert store.fills()["trade"].tolist() == ["7", "8"]
        store.keep_order("x", attrs.evolve(sent, state="filled"))
        assert store.books("x", "binance sandbox", 100.0, DAY, DAY).orders == []


def test_what_was_sent_on_a_day_is_counted_but_what_was_refused(place: str) -> None:
    with open_store(place) as store:
        begin(store)
        assert store.sent_since("x", "2026-01-11", but=9) == (0, 0.0)
        sent = attrs.evolve(ORDER, state="rejected", price=11.0, sent="2026-01-11T00:00:00")
        store.keep_order("x", sent)
        assert store.sent_since("x", "2026-01-11", but=9) == (1, 22.0)
        assert store.sent_since("x", "2026-01-12", but=9) == (0, 0.0)
        assert store.sent_since("x", "2026-01-11", but=1) == (0, 0.0)
        store.keep_order("x", attrs.evolve(sent, state="refused"))
        assert store.sent_since("x", "2026-01-11", but=9) == (0, 0.0)


def test_a_day_is_replaced_and_days_go_forward(place: str) -> None:
    with open_store(place) as store:
        begin(store)
        for cash in (1.0, 2.0):
            store.end_day(
                "x", DAY, Settled(orders=[], fills=[], cash=cash, equity=3.0, report={"n": cash})
            )
        days = store.trading_days("x")
        assert days[["cash", "report"]].to_numpy().tolist() == [[2.0, '{"n": 2.0}']]
        with pytest.raises(StoreError, match=f"has traded up to {DAY}, and can't trade on 2026-01"):
            store.books("x", "binance sandbox", 100.0, "2026-01-09", DAY)
        with pytest.raises(StoreError, match="is of binance sandbox, and the settings say paper"):
            store.trade("x", 100.0, DAY, lambda _: pytest.fail("settled"), DAY)


def hold(place: str, is_held: object, may_end: object) -> None:
    with open_store(place) as store, store.sole_trader("x"):
        is_held.set()  # type: ignore[attr-defined]
        may_end.wait(30)  # type: ignore[attr-defined]


def test_one_process_trades_an_account_and_a_killed_one_does_not_hold_it(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = get_context("spawn")
    is_held, may_end = context.Event(), context.Event()
    process = context.Process(target=hold, args=(place, is_held, may_end))
    with open_store(place) as store:
        process.start()
        assert is_held.wait(30)
        monkeypatch.setattr(exchanging, "PATIENCE", 0.3)
        with (
            pytest.raises(StoreError, match="account x: can't be traded now: "),
            store.sole_trader("x"),
        ):
            pytest.fail("two processes trade an account")
        with store.sole_trader("y"):
            pass
        may_end.set()
        process.join()
        with store.sole_trader("x"):
            pass
        assert killed_at(place, die, 10_000)
        with store.sole_trader("x"):
            pass


def test_a_link_to_a_store_does_not_let_a_second_process_trade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(tmp_path / "store.db")
    monkeypatch.setattr(exchanging, "PATIENCE", 0.3)
    with (
        open_store(tmp_path / "store.db") as store,
        store.sole_trader("x"),
        open_store(link) as same,
        pytest.raises(StoreError, match="can't be traded now"),
        same.sole_trader("x"),
    ):
        pytest.fail("two trade an account")


def die(store: Store) -> None:
    """Die while holding the account."""
    with store.sole_trader("x"):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_request_has_a_share_and_a_side(weight: float) -> None:
    about = Judgement(run_key="r", rule="r", coin="A", model="m", action="request", seen={})
    with pytest.raises(ValueError, match="'weight' must be"):
        Request(judgement=about, cutoff=DAY, side="buy", weight=weight)
    with pytest.raises(ValueError, match="'side' must be"):
        Request(judgement=about, cutoff=DAY, side="hold", weight=0.5)
