"""Simulations: hand-worked numbers, what is conserved, and nothing that looks ahead."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from cryptodask.errors import OptionError
from cryptodask.trading.simulation import Market, Outcome, simulate_targets
from cryptodask.trading.terms import Account, Costs, Lots
from tests.trading.markets import NAN, column, days, one_coin, random_market, random_targets


def fills_of(outcome: Outcome) -> list[tuple[Any, ...]]:
    columns = ["side", "quantity", "price", "fee"]
    return list(outcome.fills[columns].itertuples(index=False, name=None))


def states(outcome: Outcome) -> list[str]:
    return outcome.orders["state"].tolist()


def test_decided_at_a_close_and_filled_at_the_next_open() -> None:
    market = one_coin([10, 12, 15, 16], open=[9, 11, 14, 15.5])
    outcome = simulate_targets(market, column(1.0, NAN, 0.0, NAN), Account(cash=110))
    # 110 / 10 = 11 coins are ordered; at 11 each, cash pays 10.
    assert fills_of(outcome) == [("buy", 10.0, 11.0, 0.0), ("sell", 10.0, 15.5, 0.0)]
    assert outcome.total.tolist() == [110, 120, 150, 155]
    assert states(outcome) == ["cash", "filled"]
    assert outcome.fills["date"].tolist() == [
        pd.Timestamp("2017-01-02"),
        pd.Timestamp("2017-01-04"),
    ]
    assert outcome.fills["decided"].tolist() == [
        pd.Timestamp("2017-01-01"), pd.Timestamp("2017-01-03")
    ]  # fmt: skip
    assert outcome.fills["profit"].tolist()[1] == 45.0
    assert outcome.cash.tolist() == [155.0]


def test_filled_at_the_next_close_where_there_are_no_opens() -> None:
    market = one_coin([10, 20, 40])
    outcome = simulate_targets(market, column(0.5, NAN, NAN), Account(cash=100))
    assert fills_of(outcome) == [("buy", 5.0, 20.0, 0.0)]
    assert outcome.total.tolist() == [100, 100, 200]


def test_share_fee_slippage_and_spread() -> None:
    market = one_coin([100, 100, 100], open=[100, 100, 100])
    costs = Costs(fee=0.01, slippage=0.01, spread=0.02)
    outcome = simulate_targets(market, column(0.5, 0.0, NAN), Account(cash=1000), costs)
    # 5 coins at 102, a fee of 5.10; sold at 98, a fee of 4.90.
    assert fills_of(outcome) == [
        ("buy", 5.0, 102.0, pytest.approx(5.1)),
        ("sell", 5.0, 98.0, pytest.approx(4.9)),
    ]
    assert outcome.fills["slipped"].tolist() == [10.0, 10.0]
    assert outcome.total.tolist() == pytest.approx([1000, 984.9, 970.0])
    assert outcome.fills["profit"].tolist()[1] == pytest.approx(-30.0)


def test_minimum_fee() -> None:
    market = one_coin([100, 100, 100])
    costs = Costs(fee=0.001, minimum_fee=3.0)
    outcome = simulate_targets(market, column(1.0, NAN, NAN), Account(cash=103), costs)
    # 1.03 coins are ordered; 103 pays one and the fee of 3, as a thousandth would be less.
    assert fills_of(outcome) == [("buy", 1.0, 100.0, 3.0)]
    assert outcome.cash.tolist() == [0.0]


def test_a_sale_whose_fee_nothing_pays_is_not_filled() -> None:
    market = one_coin([100, 100, 1, 1])
    costs = Costs(minimum_fee=3.0)
    outcome = simulate_targets(market, column(1.0, NAN, 0.0, NAN), Account(cash=103), costs)
    assert states(outcome) == ["cash", "cash"]
    assert outcome.total.tolist()[-1] == 1.0


def test_whole_lots() -> None:
    market = one_coin([100, 100, 100])
    outcome = simulate_targets(
        market, column(0.56, NAN, NAN), Account(cash=1000), lots=Lots(size=0.5)
    )
    assert fills_of(outcome) == [("buy", 5.5, 100.0, 0.0)]
    assert states(outcome) == ["filled"]


@pytest.mark.parametrize("lots", [Lots(minimum_notional=600.0), Lots(size=6.0)])
def test_small_orders_are_not_filled(lots: Lots) -> None:
    market = one_coin([100, 100, 100])
    outcome = simulate_targets(market, column(0.5, NAN, NAN), Account(cash=1000), lots=lots)
    assert states(outcome) == ["small"]
    assert outcome.fills.empty
    assert outcome.total.tolist() == [1000] * 3


def test_part_of_the_volume_and_the_rest_on_the_next_bars() -> None:
    market = one_coin([100] * 5, volume=[0, 2_000, NAN, 1_000, 9_000])
    targets = column(0.5, NAN, NAN, NAN, NAN)
    outcome = simulate_targets(market, targets, Account(cash=1000), Costs(participation=0.1))
    # A tenth of 2,000 buys 2 coins, nothing on the day without volume, then 1, then the last 2.
    assert outcome.fills["quantity"].tolist() == [2.0, 1.0, 2.0]
    assert outcome.fills["date"].tolist() == [*pd.to_datetime(market.dates[[1, 3, 4]])]
    assert states(outcome) == ["filled"]


def test_a_newer_decision_replaces_what_is_left() -> None:
    market = one_coin([100] * 4, volume=[2_000] * 4)
    targets = column(0.5, 0.0, NAN, NAN)
    outcome = simulate_targets(market, targets, Account(cash=1000), Costs(participation=0.1))
    assert states(outcome) == ["replaced", "filled"]
    assert outcome.orders["filled"].tolist() == [2.0, 2.0]
    assert outcome.fills["side"].tolist() == ["buy", "sell"]


def test_no_fill_without_a_bar() -> None:
    market = one_coin([100, NAN, NAN, 50])
    outcome = simulate_targets(market, column(0.5, 1.0, 1.0, NAN), Account(cash=1000))
    assert outcome.fills["date"].tolist() == [pd.Timestamp("2017-01-04")]
    assert len(outcome.orders) == 1  # nothing is decided without a bar either
    assert fills_of(outcome) == [("buy", 5.0, 50.0, 0.0)]


def test_a_bar_without_an_open_is_filled_at_its_close_as_on_paper() -> None:
    market = one_coin([100, 100, 100], open=[100, NAN, 90])
    outcome = simulate_targets(market, column(0.5, NAN, NAN), Account(cash=1000))
    assert fills_of(outcome) == [("buy", 5.0, 100.0, 0.0)]


@pytest.mark.parametrize(("end", "worth"), [("close", 1000.0), ("zero", 500.0), (0.4, 800.0)])
def test_worth_of_a_coin_that_ended(end: Any, worth: float) -> None:
    market = one_coin([100, 100, NAN, NAN, NAN])
    account = Account(cash=1000, end=end, ended_after=2)
    outcome = simulate_targets(market, column(0.5, NAN, NAN, NAN, NAN), account)
    # Held at its last close until two bars are missing.
    assert outcome.total.tolist() == [1000, 1000, 1000, worth, worth]
    assert outcome.fills["reason"].tolist() == ["order", "end"]
    assert outcome.fills["date"].tolist()[1] == pd.Timestamp("2017-01-04")
    assert outcome.cash.tolist() == [worth]


def test_an_order_of_a_coin_that_ended_is_cancelled() -> None:
    market = one_coin([100, NAN, NAN, NAN, 100, 100])
    account = Account(ended_after=2)
    outcome = simulate_targets(market, column(0.5, NAN, NAN, NAN, NAN, NAN), account)
    assert states(outcome) == ["ended"]
    assert outcome.fills.empty


def test_short_positions_only_where_they_are_allowed() -> None:
    market = one_coin([100, 100, 80, 80])
    targets = column(-0.5, NAN, 0.0, NAN)
    with pytest.raises(OptionError, match=r"targets: Coin: .*2017-01-01.* from 0 to 1, got -0.5"):
        simulate_targets(market, targets, Account(cash=1000))
    outcome = simulate_targets(market, targets, Account(cash=1000, short=True))
    assert outcome.fills["side"].tolist() == ["sell", "buy"]
    assert outcome.total.tolist() == [1000, 1000, 1100, 1100]
    assert outcome.fills["profit"].tolist()[1] == 100.0


def test_shared_cash_buys_the_same_share_of_each_order() -> None:
    close = np.full((3, 2), 100.0)
    market = Market(("A", "B"), days(3), close, open=np.full((3, 2), 200.0))
    targets = np.array([[0.75, 0.25], [NAN, NAN], [NAN, NAN]])
    account = Account(cash=1000, shared=True)
    outcome = simulate_targets(market, targets, account, Costs(fee=0.25))
    # Orders of 7.5 and 2.5 coins cost 2,500 at the open, of which cash pays 40%.
    assert outcome.fills["quantity"].tolist() == pytest.approx([3.0, 1.0])
    assert outcome.cash.tolist() == pytest.approx([0.0], abs=1e-9)
    assert outcome.equity.shape == (3, 1)


def test_shared_cash_of_sales_pays_purchases_of_the_same_bar() -> None:
    market = Market(("A", "B"), days(4), np.full((4, 2), 100.0))
    targets = np.array([[NAN, 1.0], [1.0, 0.0], [NAN, NAN], [NAN, NAN]])
    outcome = simulate_targets(market, targets, Account(cash=1000, shared=True))
    assert fills_of(outcome) == [
        ("buy", 10.0, 100.0, 0.0), ("sell", 10.0, 100.0, 0.0), ("buy", 10.0, 100.0, 0.0)
    ]  # fmt: skip


def test_shape_and_volume_are_refused() -> None:
    market = one_coin([1, 2])
    with pytest.raises(OptionError, match="targets: must have a row a date"):
        simulate_targets(market, column(1.0))
    with pytest.raises(OptionError, match="participation: prices have no volume"):
        simulate_targets(market, column(1.0, NAN), costs=Costs(participation=0.1))
    with pytest.raises(OptionError, match="open: must have a row a date"):
        replace(market, open=column(1.0))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [({"cash": 0}, "cash"), ({"end": "sold"}, "end"), ({"end": 1.5}, "end"),
     ({"ended_after": 0}, "ended_after"), ({"short": 1}, "short")],
)  # fmt: skip
def test_accounts_out_of_range_are_refused(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(OptionError, match=rf"^{name}: .*got"):
        Account(**wrong)


terms = st.builds(
    Costs,
    fee=st.sampled_from([0.0, 0.001, 0.05]),
    minimum_fee=st.sampled_from([0.0, 0.5, 20.0]),
    slippage=st.sampled_from([0.0, 0.01]),
    spread=st.sampled_from([0.0, 0.02]),
    participation=st.sampled_from([None, 0.01, 0.5]),
)
accounts = st.builds(
    Account,
    cash=st.sampled_from([50.0, 10_000.0]),
    shared=st.booleans(),
    short=st.booleans(),
    end=st.sampled_from(["close", "zero", 0.3]),
    ended_after=st.sampled_from([1, 5, 30]),
)
lots = st.builds(
    Lots, size=st.sampled_from([0.0, 0.1, 3.0]), minimum_notional=st.sampled_from([0.0, 10.0])
)
seeds = st.integers(0, 2**32 - 1)


def last_closes(market: Market) -> Any:
    return pd.DataFrame(market.close).ffill().to_numpy()


def test_a_fee_for_what_is_short_by_the_day() -> None:
    market = one_coin([100, 100, 110, 110, 110])
    account = Account(cash=1000, short=True, borrow=0.365)
    outcome = simulate_targets(market, column(-0.5, NAN, 0.0, NAN, NAN), account)
    # 5 coins sold at 100; a thousandth of 500 at the second close, of 550 at the third; bought
    # back at 110, and then nothing.
    assert outcome.total.tolist() == pytest.approx([1000, 999.5, 948.95, 948.95, 948.95])
    assert outcome.borrowed.tolist() == pytest.approx([1.05])
    assert simulate_targets(market, column(0.5, NAN, NAN, NAN, NAN), account).borrowed[0] == 0
    with pytest.raises(OptionError, match=r"borrow: 0\.1 is a fee for what is short"):
        Account(borrow=0.1)


def test_a_fee_that_cash_does_not_pay_is_owed_and_not_forgiven() -> None:
    # Half is short and pays for one and a half long, so that there is no cash when the fee is due.
    market = Market(("A", "B"), days(4), np.full((4, 2), 100.0))
    account = Account(cash=1000, shared=True, short=True, borrow=36.5)
    targets = np.array([[-0.5, 1.0], [NAN, NAN], [NAN, NAN], [NAN, NAN]])
    targets[1, 1] = 1.0
    outcome = simulate_targets(market, targets, account)
    assert outcome.total.tolist() == pytest.approx([1000, 950, 900, 850])


@settings(max_examples=60, deadline=None)
@given(seed=seeds, account=accounts, costs=terms, lots=lots)
def test_cash_positions_and_costs_are_conserved(
    seed: int, account: Account, costs: Costs, lots: Lots
) -> None:
    market = random_market(seed, 40, 4)
    targets = random_targets(seed, market, -1.0 if account.short else 0.0)
    outcome = simulate_targets(market, targets, account, costs, lots)
    fills = outcome.fills
    signed = fills["quantity"] * np.where(fills["side"] == "buy", 1, -1)
    flows = -signed * fills["price"] - fills["fee"]
    # Replayed from the fills alone: cash and positions on each date, and so the equity.
    index = pd.MultiIndex.from_product([market.dates, market.coins])
    held = signed.groupby([fills["date"], fills["coin"]]).sum().reindex(index, fill_value=0)
    positions = held.unstack()[list(market.coins)].cumsum().to_numpy()
    daily = flows.groupby(fills["date"]).sum().reindex(market.dates, fill_value=0).to_numpy()
    cash = account.cash + daily.cumsum()
    prices = np.nan_to_num(last_closes(market))
    assert cash + (positions * prices).sum(axis=1) == pytest.approx(outcome.total, abs=1e-6)
    assert outcome.cash.sum() == pytest.approx(cash[-1], abs=1e-6)
    assert (outcome.cash >= 0).all()
    assert (cash >= -1e-7).all()
    if not account.short:
        assert (positions >= -1e-9).all()
    # Nothing is gained or lost by trading but profit, and what prices without costs would give.
    paid = fills["fee"].sum() + fills["slipped"].sum()
    market_price = fills["price"] - np.where(
        fills["reason"] == "end", 0, np.sign(signed) * fills["slipped"] / fills["quantity"]
    )
    gross = account.cash - (signed * market_price).sum() + (positions[-1] * prices[-1]).sum()
    assert gross - paid == pytest.approx(outcome.total[-1], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, account=accounts, costs=terms, lots=lots)
def test_orders_fills_lots_volume_and_bars(
    seed: int, account: Account, costs: Costs, lots: Lots
) -> None:
    market = random_market(seed, 40, 4)
    targets = random_targets(seed, market, -1.0 if account.short else 0.0)
    outcome = simulate_targets(market, targets, account, costs, lots)
    orders, fills = outcome.orders, outcome.fills[outcome.fills["reason"] == "order"]
    assert (fills["date"] > fills["decided"]).all()
    assert (orders["filled"] <= orders["quantity"] * (1 + 1e-9)).all()
    by_order = fills.groupby(["coin", "decided"])["quantity"].sum()
    wanted = orders[orders["filled"] > 0].set_index(["coin", "decided"])["filled"]
    assert_frame_equal(
        by_order.sort_index().to_frame("q"), wanted.sort_index().to_frame("q"), rtol=1e-9
    )
    place = {coin: i for i, coin in enumerate(market.coins)}
    rows = np.searchsorted(market.dates, fills["date"].to_numpy())
    columns = np.array([place[coin] for coin in fills["coin"]], dtype=int)
    assert np.isfinite(market.close[rows, columns]).all()
    if lots.size and not account.short:
        parts = fills["quantity"] / lots.size
        assert parts.to_numpy() == pytest.approx(parts.round().to_numpy(), abs=1e-6)
    if costs.participation is not None:
        assert market.volume is not None
        assert market.open is not None
        notional = fills["quantity"] * market.open[rows, columns]
        most = costs.participation * market.volume[rows, columns]
        assert (notional <= most * (1 + 1e-9)).all()


@settings(max_examples=40, deadline=None)
@given(seed=seeds, account=accounts, costs=terms, day=st.integers(1, 38))
def test_rows_after_a_date_change_nothing_up_to_it(
    seed: int, account: Account, costs: Costs, day: int
) -> None:
    market = random_market(seed, 40, 4)
    targets = random_targets(seed, market, -1.0 if account.short else 0.0)
    other, later = random_market(seed + 1, 40, 4), random_targets(seed + 1, market)
    joined: dict[str, Any] = {
        name: np.vstack([getattr(market, name)[:day], getattr(other, name)[day:]])
        for name in ("close", "open", "volume")
    }
    first = simulate_targets(market, targets, account, costs)
    again = simulate_targets(
        replace(market, **joined), np.vstack([targets[:day], later[day:]]), account, costs
    )
    assert np.array_equal(first.equity[:day], again.equity[:day])
    until = market.dates[day - 1]
    assert_frame_equal(
        first.fills[first.fills["date"] <= until], again.fills[again.fills["date"] <= until]
    )


@settings(max_examples=25, deadline=None)
@given(seed=seeds, costs=terms)
def test_shared_cash_of_one_coin_is_its_own(seed: int, costs: Costs) -> None:
    market = random_market(seed, 40, 1)
    targets = random_targets(seed, market)
    shared = simulate_targets(market, targets, Account(shared=True), costs)
    alone = simulate_targets(market, targets, Account(), costs)
    assert_frame_equal(shared.fills, alone.fills)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, costs=terms)
def test_coins_with_their_own_cash_are_those_simulated_alone(seed: int, costs: Costs) -> None:
    market = random_market(seed, 30, 3)
    targets = random_targets(seed, market)
    together = simulate_targets(market, targets, Account(cash=900), costs)
    for i, coin in enumerate(market.coins):
        part = Market((coin,), market.dates, *(
            np.ascontiguousarray(m[:, [i]])
            for m in (market.close, market.open, market.volume) if m is not None
        ))  # fmt: skip
        alone = simulate_targets(part, targets[:, [i]], Account(cash=300), costs)
        assert np.array_equal(alone.equity[:, 0], together.equity[:, i])
