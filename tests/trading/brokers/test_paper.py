"""A day settled on paper: by hand-worked numbers, and by what always holds."""

import attrs
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings

from cryptodask.errors import InputError
from cryptodask.store.records import Books, Order, Settled
from cryptodask.trading.brokers.paper import settle
from cryptodask.trading.terms import Costs, Lots

FREE, ANY = Costs(), Lots()
DAY = "2026-01-10"


def bars(**coins: list[tuple[str, float, float, float]]) -> pd.DataFrame:
    """Return bars from (date, open, close, volume)."""
    rows = [(coin, *row) for coin, listed in coins.items() for row in listed]
    frame = pd.DataFrame(rows, columns=["coin", "date", "open", "close", "volume"])
    return frame.assign(date=frame["date"].astype("datetime64[s]"))


def books(cash: float = 1_000.0, **known: object) -> Books:
    empty = {"positions": {}, "orders": [], "wanted": []}
    return Books(cash=cash, **(empty | known))  # type: ignore[arg-type]


def order(request: int, coin: str, side: str, quantity: float, **more: object) -> Order:
    about = {"request": request, "coin": coin, "decided": "2026-01-09", "side": side}
    return Order(**about, quantity=quantity, **more)  # type: ignore[arg-type]


TWO = bars(A=[("2026-01-09", 9.0, 10.0, 500.0), ("2026-01-10", 11.0, 12.0, 1_100.0)])


def test_what_is_asked_for_becomes_an_order_for_a_share_of_the_equity():
    settled = settle(
        books(cash=880.0, positions={"A": 10.0}, wanted=[(7, "A", "buy", 0.3)]),
        TWO, DAY, FREE, ANY, 1,
    )  # fmt: skip
    # Equity is 880 + 10 × 12; 30% of it are 25 coins, of which ten are there.
    assert settled.equity == 1_000.0
    assert settled.orders == [
        Order(request=7, coin="A", decided=DAY, side="buy", quantity=15.0, state="open")
    ]
    assert settled.fills == []


def test_an_order_is_filled_at_the_next_open_with_fee_slippage_and_half_the_spread():
    costs = Costs(fee=0.01, slippage=0.02, spread=0.02)
    settled = settle(books(orders=[order(1, "A", "buy", 5.0)]), TWO, DAY, costs, ANY, 1)
    price = 11.0 * 1.03
    [fill] = settled.fills
    assert (fill.date, fill.quantity) == (DAY, 5.0)
    assert fill.price == pytest.approx(price, rel=1e-15)
    assert fill.fee == pytest.approx(0.01 * 5 * price, rel=1e-15)
    assert fill.slipped == pytest.approx(5 * 0.33, rel=1e-12)
    assert settled.cash == pytest.approx(1_000 - 5 * price * 1.01, rel=1e-15)
    assert settled.equity == pytest.approx(settled.cash + 5 * 12, rel=1e-15)
    assert settled.orders[0].state == "filled"


def test_a_minimum_fee_and_cash_bound_what_is_bought():
    costs = Costs(fee=0.001, minimum_fee=10.0)
    settled = settle(books(cash=65.0, orders=[order(1, "A", "buy", 9.0)]), TWO, DAY, costs, ANY, 1)
    assert settled.fills[0].quantity == pytest.approx(5.0)
    assert settled.cash == pytest.approx(0.0, abs=1e-12)
    assert (settled.orders[0].filled, settled.orders[0].state) == (pytest.approx(5.0), "expired")


@pytest.mark.parametrize("size", [0.0, 0.001])
def test_no_purchase_leaves_negative_cash_by_rounding(size: float):
    rng = np.random.default_rng(0)
    costs, lots = Costs(fee=0.001, minimum_fee=0.5), Lots(size=size)
    for cash, opened in zip(rng.uniform(1, 1e6, 200), rng.uniform(1, 50, 200), strict=True):
        table = bars(A=[(DAY, opened, opened, 1e9)])
        mine = books(float(cash), orders=[order(1, "A", "buy", 1e9)])
        settled = settle(mine, table, DAY, costs, lots, 1)
        assert 0 <= settled.cash == pytest.approx(0.0, abs=size * opened + 1e-9 * cash)
        assert apply(mine, settled).cash == settled.cash


def test_part_of_the_volume_fills_now_and_the_rest_within_days():
    costs = Costs(participation=0.1)
    first = settle(books(orders=[order(1, "A", "buy", 30.0)]), TWO, DAY, costs, ANY, 3)
    assert first.fills[0].quantity == pytest.approx(10.0)  # a tenth of 1,100 / 11
    [left] = first.orders
    assert (left.filled, left.state) == (pytest.approx(10.0), "partial")
    more = pd.concat([TWO, bars(A=[("2026-01-11", 10.0, 10.0, 5_000.0)])], ignore_index=True)
    held = books(first.cash, positions={"A": 10.0}, orders=[left])
    second = settle(held, more, "2026-01-11", costs, ANY, 3)
    assert [fill.date for fill in second.fills] == ["2026-01-11"]
    assert second.fills[0].quantity == pytest.approx(20.0)
    assert second.orders[0].state == "filled"


def test_an_order_without_a_bar_waits_and_expires():
    quiet = bars(A=[("2026-01-09", 9.0, 10.0, 500.0)])
    mine = books(orders=[order(1, "A", "buy", 5.0)])
    assert settle(mine, quiet, DAY, FREE, ANY, 1).orders[0].state == "open"
    assert settle(mine, quiet, "2026-01-11", FREE, ANY, 1).orders[0].state == "expired"
    # A bar that came late fills what was ordered before it.
    late = settle(mine, TWO, "2026-01-11", FREE, ANY, 1)
    assert [fill.date for fill in late.fills] == [DAY]


def test_an_order_whose_last_bar_has_been_does_not_stand_for_a_position():
    costs = Costs(participation=0.001)
    mine = books(orders=[order(1, "A", "buy", 10.0)], wanted=[(2, "A", "buy", 0.12)])
    settled = settle(mine, TWO, DAY, costs, ANY, 1)
    [left, new] = settled.orders
    assert (left.filled, left.state) == (pytest.approx(0.1), "expired")
    # Equity of 1,000.1: 12% of it at 12, without the 0.1 that are there.
    assert (new.quantity, new.state) == (pytest.approx(9.901), "open")


def test_sales_pay_for_what_is_bought_on_their_day():
    both = pd.concat([TWO, bars(B=[("2026-01-10", 50.0, 50.0, 100.0)])], ignore_index=True)
    mine = books(
        0.0, positions={"A": 10.0}, orders=[order(1, "B", "buy", 2.0), order(2, "A", "sell", 10.0)]
    )
    settled = settle(mine, both, DAY, FREE, ANY, 1)
    assert [fill.request for fill in settled.fills] == [2, 1]
    assert settled.cash == pytest.approx(10.0)


def test_nothing_is_sold_short_and_nothing_ordered_below_a_lot_or_the_least():
    lots = Lots(size=0.5, minimum_notional=20.0)
    asks = [(1, "A", "sell", 0.0), (2, "A", "buy", 0.011), (3, "A", "buy", 0.0287)]
    settled = settle(books(wanted=asks), TWO, DAY, FREE, lots, 1)
    assert [(o.quantity, o.state) for o in settled.orders] == [
        (0.0, "small"), (0.5, "small"), (2.0, "open"),
    ]  # fmt: skip


def test_two_requests_for_a_coin_do_not_buy_it_twice():
    asks = [(1, "A", "buy", 0.12), (2, "A", "buy", 0.24)]
    settled = settle(books(wanted=asks), TWO, DAY, FREE, ANY, 1)
    assert [o.quantity for o in settled.orders] == pytest.approx([10.0, 10.0])


def test_a_request_for_the_other_side_replaces_what_waits_and_sells_what_is_there():
    mine = books(
        positions={"A": 2.0}, orders=[order(1, "A", "buy", 10.0)], wanted=[(2, "A", "sell", 0.0)]
    )
    quiet = bars(A=[("2026-01-09", 9.0, 10.0, 500.0)])
    [left, new] = settle(mine, quiet, DAY, FREE, ANY, 5).orders
    assert (left.state, new.quantity, new.state) == ("replaced", 2.0, "open")


def test_a_sale_is_of_what_is_there_and_not_of_what_was_asked_for_beside_it():
    asks = [(1, "A", "buy", 0.5), (2, "A", "sell", 0.0), (3, "A", "sell", 0.1)]
    settled = settle(books(positions={"A": 2.0}, wanted=asks), TWO, DAY, FREE, ANY, 1)
    assert [(o.side, o.quantity) for o in settled.orders] == [
        ("buy", pytest.approx(1_024 * 0.5 / 12 - 2)), ("sell", 2.0), ("sell", 0.0),
    ]  # fmt: skip


def test_a_coin_without_prices_is_named_and_one_without_new_ones_reported():
    with pytest.raises(InputError, match="no prices of Gone, which the account holds"):
        settle(books(positions={"Gone": 1.0}), TWO, DAY, FREE, ANY, 1)
    settled = settle(books(positions={"A": 1.0}), TWO, "2026-01-20", FREE, ANY, 1)
    assert settled.report["stale"] == ["A"]
    assert settled.equity == 1_012.0


def apply(before: Books, settled: Settled) -> Books:
    """Return the books after a day, from its orders and fills alone, as the store does."""
    by_request = {o.request: o for o in settled.orders}
    cash, positions = before.cash, dict(before.positions)
    for fill in settled.fills:
        about = by_request[fill.request]
        sign = 1 if about.side == "buy" else -1
        cash -= sign * fill.quantity * fill.price + fill.fee
        positions[about.coin] = positions.get(about.coin, 0.0) + sign * fill.quantity
    waiting = [o for o in settled.orders if o.state in ("open", "partial")]
    held = {coin: q for coin, q in positions.items() if q > 1e-9}
    return attrs.evolve(before, cash=cash, positions=held, orders=waiting, wanted=[])


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["A", "B"]),
                st.sampled_from(["buy", "sell"]),
                st.floats(0.0, 1.0),
            ),
            max_size=3,
        ),
        min_size=2,
        max_size=6,
    ),
    st.builds(
        Costs, fee=st.floats(0, 0.1), minimum_fee=st.floats(0, 20), slippage=st.floats(0, 0.2),
        spread=st.floats(0, 0.1), participation=st.none() | st.floats(0.01, 1),
    ),
    st.builds(Lots, size=st.sampled_from([0.0, 0.1, 3.0]), minimum_notional=st.floats(0, 50)),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
@example(
    days=[[], [("A", "buy", 1.0), ("B", "buy", 1.0)], [], [("A", "sell", 0.875)], [], []],
    costs=Costs(minimum_fee=6.0), lots=ANY, seed=2**32 - 1,
)  # fmt: skip
def test_cash_is_never_negative_and_nothing_is_made_or_lost(days, costs, lots, seed):
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2026-01-01", periods=len(days), freq="D", unit="s").astype("str")
    table = {
        coin: [(d, *map(float, rng.uniform(5, 50, 2)), float(rng.uniform(0, 2e3))) for d in dates]
        for coin in ("A", "B")
    }
    mine, number, paid, put_in = books(), 0, 0.0, 1_000.0
    gained = 0.0
    for i, (day, asks) in enumerate(zip(dates, days, strict=True)):
        wanted = [(number + k, *ask) for k, ask in enumerate(asks)]
        number += len(asks)
        seen = bars(**{coin: rows[: i + 1] for coin, rows in table.items()})
        settled = settle(attrs.evolve(mine, wanted=wanted), seen, day, costs, lots, 2)
        again = settle(attrs.evolve(mine, wanted=wanted), seen, day, costs, lots, 2)
        assert again == settled
        sides = {o.request: (o.coin, o.side) for o in settled.orders}
        for fill in settled.fills:
            coin, side = sides[fill.request]
            row = next(row for row in table[coin] if row[0] == fill.date)
            sign = 1 if side == "buy" else -1
            gained += sign * fill.quantity * (row[2] - row[1])  # from the open on
            paid += fill.fee + fill.slipped
        before = mine
        mine = apply(mine, settled)
        # What is held moves from close to close.
        for coin, quantity in before.positions.items():
            gained += quantity * (table[coin][i][2] - table[coin][i - 1][2])
        assert mine.cash == pytest.approx(settled.cash, abs=1e-6)
        assert settled.cash >= 0
        assert all(quantity >= -1e-9 for quantity in mine.positions.values())
        equity = settled.cash + sum(q * table[c][i][2] for c, q in mine.positions.items())
        assert settled.equity == pytest.approx(equity, rel=1e-9)
        assert equity == pytest.approx(put_in + gained - paid, rel=1e-9, abs=1e-6)
        for o in settled.orders:
            assert o.filled <= o.quantity * (1 + 1e-12)
