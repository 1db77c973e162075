"""Accounts in both databases: a day is settled once, however often it is killed or repeated."""

import random
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import StoreError
from cryptodask.store import Judgement, Request, open_store
from cryptodask.store.records import Books, Settled
from cryptodask.store.store import Store
from cryptodask.trading.brokers.paper import settle
from cryptodask.trading.terms import Costs, Lots
from tests.store.conftest import killed_at, new_database
from tests.store.test_store import upgraded

COINS = ("Apple", "=Pear, B", "Plum")
DAYS = [str(day.date()) for day in pd.date_range("2026-01-01", periods=16)]
COSTS = Costs(fee=0.002, minimum_fee=0.5, slippage=0.001, participation=0.1)


def bars(day: str) -> pd.DataFrame:
    """Return bars of all coins up to a day, of which some coins lack some."""
    rng = np.random.default_rng(7)
    rows = [
        (coin, date, *rng.uniform(5, 50, 2), rng.uniform(0, 9_000))
        for date in DAYS for coin in COINS
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["coin", "date", "open", "close", "volume"])
    frame = frame[(frame["date"] <= day) & ((frame.index % 5 != 1) | (frame["date"] == DAYS[0]))]
    frame = frame.assign(date=frame["date"].astype("datetime64[s]"))
    return frame.sort_values(["coin", "date"], ignore_index=True)


def requests_of(day: str) -> list[Request]:
    """Return what rules ask for on a day."""
    rng = random.Random(day)
    asks = []
    for coin in rng.sample(COINS, rng.randrange(1, 4)):
        judgement = Judgement(
            run_key=f"run of {day}", rule="r", coin=coin, model="m", action="request", seen={}
        )
        side, weight = rng.choice([("buy", 0.3), ("buy", 0.5), ("sell", 0.0), ("sell", 0.1)])
        asks.append(Request(judgement=judgement, cutoff=day, side=side, weight=weight))
    return asks


def trade(store: Store, day: str, cash: float = 1_000.0) -> bool:
    def settled(books: Books) -> Settled:
        return settle(books, bars(day), day, COSTS, Lots(size=0.01), 1)

    since = str(np.datetime64(day, "D") - np.timedelta64(7, "D"))
    return store.trade("paper", cash, day, settled, since)[1]


def request_and_trade(store: Store, day: str) -> None:
    store.add_requests(requests_of(day))
    trade(store, day)


def one_day(place: str, day: str) -> None:
    with open_store(place) as store:
        request_and_trade(store, day)


def frames(place: str) -> dict[str, pd.DataFrame]:
    """Return all that a store has of accounts, without numbers of rows, which may have gaps."""
    with open_store(place) as store:
        orders, fills, days = store.orders(), store.fills(), store.trading_days()
        keys = store.requests().set_index("id")["key"]
    orders, fills = (f.assign(request=f["request"].map(keys)) for f in (orders, fills))
    return {
        "orders": orders.drop(columns="id"), "fills": fills.drop(columns="order"), "days": days
    }  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """What there is after all days, each once, in a store of SQLite."""
    place = str(tmp_path_factory.mktemp("clean") / "store.db")
    for day in DAYS:
        one_day(place, day)
    return frames(place)


def check_same(place: str, clean: dict[str, pd.DataFrame]) -> None:
    for name, frame in frames(place).items():
        pd.testing.assert_frame_equal(frame, clean[name])


def test_the_days_have_orders_of_every_kind(clean: dict[str, pd.DataFrame]):
    states = set(clean["orders"]["state"])
    assert {"filled", "expired", "small"} <= states
    assert len(clean["fills"]) > 5
    assert set(clean["fills"]["side"]) == {"buy", "sell"}
    assert clean["days"]["cash"].min() >= 0


def test_killed_repeated_and_restarted_days_are_as_if_each_ran_once(
    place: str, clean: dict[str, pd.DataFrame]
):
    rng = random.Random(1)
    with open_store(place):
        pass
    killed = 0
    for day in DAYS:
        for _ in range(rng.randrange(1, 5)):
            killed += killed_at(place, partial(request_and_trade, day=day), rng.randrange(1, 30))
        for _ in range(rng.randrange(1, 3)):
            one_day(place, day)
    assert killed >= 8
    check_same(place, clean)


def test_four_processes_settle_each_day_once(place: str, clean: dict[str, pd.DataFrame]):
    context = get_context("spawn")
    for day in DAYS[:2]:
        processes = [context.Process(target=one_day, args=(place, day)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 4
    with open_store(place) as store:
        days = store.trading_days()
    pd.testing.assert_frame_equal(days, clean["days"].head(2))


def test_what_a_day_and_an_account_can_not_be(place: str):
    with open_store(place) as store:
        assert trade(store, DAYS[3])
        assert not trade(store, DAYS[3])
        with pytest.raises(StoreError, match="has traded up to 2026-01-04, and can't trade on"):
            trade(store, DAYS[2])
        with pytest.raises(
            StoreError, match=r"was opened with 1,000\.00, and the settings say 5\.00"
        ):
            trade(store, DAYS[4], cash=5.0)
        assert len(store.trading_days()) == 1


def test_requests_of_long_ago_are_passed_over_and_late_ones_are_ordered(place: str):
    with open_store(place) as store:
        for day in DAYS[:2]:
            store.add_requests(requests_of(day))
        late = len([r for day in DAYS[:2] for r in requests_of(day)])
        trade(store, DAYS[4])
        assert len(store.orders()) == late > 0
    for url in new_database():
        with open_store(url) as store:
            store.add_requests(requests_of(DAYS[0]))
            trade(store, DAYS[15])
            assert store.orders().empty


def ask(store: Store, day: str, coin: str, side: str, weight: float) -> None:
    about = Judgement(
        run_key=f"run of {day}", rule=side, coin=coin, model="m", action="request", seen={}
    )
    store.add_requests([Request(judgement=about, cutoff=day, side=side, weight=weight)])


def test_a_day_that_was_not_traded_in_time_does_not_undo_a_later_decision(place: str):
    # Whichever key comes first.
    for coin in COINS:
        ask(store := open_store(place), DAYS[0], coin, "buy", 0.2)
        ask(store, DAYS[1], coin, "sell", 0.0)
        store.close()
    with open_store(place) as store:
        trade(store, DAYS[1])
        states = store.orders().groupby("side")["state"].agg(set).to_dict()
        assert states == {"buy": {"replaced"}, "sell": {"small"}}
        trade(store, DAYS[2])
        assert store.fills().empty


def test_a_day_that_can_not_be_settled_leaves_nothing(place: str, tmp_path: Path):
    def refuses(books: Books) -> Settled:
        raise ValueError(books)

    with open_store(place) as store:
        with pytest.raises(ValueError, match="Books"):
            store.trade("paper", 1.0, DAYS[0], refuses, DAYS[0])
        assert store.trading_days().empty
        assert trade(store, DAYS[0])


def test_accounts_of_the_version_before_are_upgraded(
    place: str, clean: dict[str, pd.DataFrame]
) -> None:
    for day in DAYS[:8]:
        one_day(place, day)
    upgraded(place, "0004")
    for day in DAYS[8:]:
        one_day(place, day)
    check_same(place, clean)
