"""Rules: what they see of forecasts, and which one decides."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from cryptodask.pipeline.rules import Rule, judge, see
from cryptodask.trading.rules import WIDTH_OF_80

CUTOFF = pd.Timestamp("2026-01-01")


def table(*rows: tuple[str, str, int, float, float, float]) -> pd.DataFrame:
    names = ["coin", "model", "step", "forecast", "lower_80", "upper_80"]
    frame = pd.DataFrame(list(rows), columns=names)
    return frame.assign(cutoff=CUTOFF, date=CUTOFF + pd.to_timedelta(frame["step"], unit="D"))


TWO = table(
    ("A", "naive", 1, 100.0, 95.0, 105.0), ("A", "ridge", 1, 102.0, 96.0, 108.0),
    ("A", "naive", 2, 100.0, 90.0, 110.0), ("A", "ridge", 2, 110.0, 100.0, 121.0),
    ("B", "naive", 2, 10.0, np.nan, np.nan), ("B", "ridge", 2, 9.0, 8.0, 10.0),
)  # fmt: skip
LAST, AGES = {"A": 100.0, "B": 10.0}, {"A": 0, "B": 4}


def rule(**given: Any) -> Rule:
    return Rule(**({"name": "r", "action": "request", "weight": 0.1} | given))


def decided(*rules: Rule) -> dict[tuple[str, str], str]:
    judged = judge(rules, TWO, LAST, AGES, {"B": ["large_move"]})
    return {(j["coin"], j["model"]): j["rule"] for j in judged}


def test_what_rules_see_is_worked_by_hand() -> None:
    seen = see(TWO, LAST, AGES, {"B": ["large_move"]}, 2).set_index(["coin", "model"])
    row = seen.loc[("A", "ridge")]
    assert row["return"] == pytest.approx(0.1)
    assert row["width"] == pytest.approx(0.21)
    # The interval is 1.21 wide as a ratio, so that a deviation is log(1.21) / 2.563; the forecast
    # lies log(1.1), half of that ratio's log, above the last close: 1.2816 deviations.
    assert row["probability"] == pytest.approx(norm.cdf(WIDTH_OF_80 / 2), abs=1e-12)
    assert row["probability"] == pytest.approx(0.9)
    assert seen.loc[("A", "naive"), "probability"] == pytest.approx(0.5)
    assert np.isnan(seen.loc[("B", "naive"), "probability"])
    assert seen.loc[("A", "ridge"), "agreement"] == 0.5
    assert seen["age"].to_dict()[("B", "ridge")] == 4
    assert seen["findings"].tolist() == [[], [], ["large_move"], ["large_move"]]


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ({"min_return": 0.05}, {("A", "ridge")}),
        ({"max_return": -0.05}, {("B", "ridge")}),
        ({"min_return": 0.015, "step": 1}, {("A", "ridge")}),
        ({"min_probability": 0.6}, {("A", "ridge")}),
        ({"max_probability": 0.4}, {("B", "ridge")}),
        ({"max_width": 0.2}, {("A", "naive"), ("B", "ridge")}),
        ({"min_agreement": 1.0}, set()),
        ({"min_age": 3}, {("B", "naive"), ("B", "ridge")}),
        ({"findings": ["large_move"], "model": "naive"}, {("B", "naive")}),
        ({"model": "ridge"}, {("A", "ridge"), ("B", "ridge")}),
        ({"min_return": 0.05, "max_width": 0.1}, set()),
    ],
)
def test_a_rule_holds_where_all_its_conditions_do(
    conditions: dict[str, Any], wanted: set[tuple[str, str]]
) -> None:
    assert set(decided(rule(**conditions))) == wanted


def test_the_first_rule_that_holds_decides() -> None:
    first, second = rule(name="first", min_age=3, action="skip"), rule(name="second")
    chosen = decided(first, second)
    assert chosen[("B", "ridge")] == "first"
    assert chosen[("A", "naive")] == "second"
    assert set(decided(second, first).values()) == {"second"}
    assert decided() == {}


def test_what_a_rule_saw_is_kept_as_json_has_it() -> None:
    import json

    judged = judge([rule(weight=0.1)], TWO, LAST, AGES, {})
    assert json.loads(json.dumps(judged, allow_nan=False)) == judged
    by_key = {(j["coin"], j["model"]): j for j in judged}
    assert by_key[("B", "naive")]["seen"]["probability"] is None
    assert by_key[("A", "ridge")]["cutoff"] == "2026-01-01T00:00:00"
    assert by_key[("A", "ridge")]["weight"] == 0.1


def test_forecasts_without_intervals_meet_no_condition_on_them() -> None:
    bare = TWO.drop(columns=["lower_80", "upper_80"])
    assert judge([rule(min_probability=0.0)], bare, LAST, AGES, {}) == []
    assert len(judge([rule(min_return=-1.0)], bare, LAST, AGES, {})) == 4


@given(
    forecast=st.floats(1e-9, 1e9), last=st.floats(1e-9, 1e9),
    low=st.floats(0.1, 0.99), high=st.floats(1.01, 10),
)  # fmt: skip
def test_the_probability_of_a_rise_is_above_a_half_where_the_forecast_is(
    forecast: float, last: float, low: float, high: float
) -> None:
    rows = table(("A", "m", 1, forecast, forecast * low, forecast * high))
    seen = see(rows, {"A": last}, {"A": 0}, {}, 1).iloc[0]
    assert 0 <= seen["probability"] <= 1
    if forecast != last:
        assert (seen["probability"] >= 0.5) == (forecast > last)
