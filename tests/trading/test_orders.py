"""Costs, lots and the arithmetic of one fill, by hand-worked numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.trading.orders import (
    BUY,
    SELL,
    affordable,
    fee_of,
    fill_price,
    whole_lots,
    within_volume,
)
from cryptodask.trading.terms import Costs, Lots

amounts = st.floats(0, 1e9)
prices = st.floats(1e-8, 1e6)
shares = st.floats(0, 0.2)


def test_fill_is_worse_by_slippage_and_half_the_spread() -> None:
    slip = Costs(slippage=0.001, spread=0.004).slip
    assert fill_price(200.0, BUY, slip) == pytest.approx(200.6, rel=1e-15)
    assert fill_price(200.0, SELL, slip) == pytest.approx(199.4, rel=1e-15)


def test_fee_is_a_share_and_at_least_the_minimum() -> None:
    assert fee_of(1000.0, 0.001, 0.5) == 1.0
    assert fee_of(100.0, 0.001, 0.5) == 0.5
    assert fee_of(0.0, 0.001, 0.5) == 0.0


@pytest.mark.parametrize(
    ("quantity", "size", "lots"),
    [(0.3, 0.1, 3), (0.29, 0.1, 2), (7.9, 1.0, 7), (0.05, 0.1, 0)],
)
def test_lots_are_whole_and_not_more_than_wanted(quantity: float, size: float, lots: int) -> None:
    assert whole_lots(quantity, size) == lots * size


def test_any_quantity_where_there_are_no_lots() -> None:
    assert whole_lots(0.123, 0.0) == 0.123


def test_part_of_the_volume_in_the_quote_currency() -> None:
    assert within_volume(5000.0, 50.0, 0.1) == 10.0
    assert within_volume(math.nan, 50.0, 0.1) == 0.0


@given(amounts, prices, shares, amounts)
def test_what_is_affordable_costs_no_more_than_the_cash(
    cash: float, price: float, fee: float, minimum: float
) -> None:
    notional = affordable(cash, price, fee, minimum) * price
    spent = notional + fee_of(notional, fee, minimum)
    assert spent <= cash * (1 + 1e-12) + 1e-9
    if cash > minimum + 1:
        assert spent >= cash * (1 - 1e-9)  # and all of it


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"fee": 1.0}, "fee"),
        ({"fee": -0.1}, "fee"),
        ({"slippage": math.nan}, "slippage"),
        ({"minimum_fee": math.inf}, "minimum_fee"),
        ({"participation": 0.0}, "participation"),
        ({"spread": True}, "spread"),
    ],
)
def test_costs_out_of_range_are_refused_by_name(wrong: dict[str, float], name: str) -> None:
    with pytest.raises(OptionError, match=rf"^{name}: .*got"):
        Costs(**wrong)


def test_lots_out_of_range_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^size: "):
        Lots(size=-1.0)
