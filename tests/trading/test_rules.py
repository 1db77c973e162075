"""Rules: declared as texts, weights by hand, and nothing that looks ahead."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from cryptodask.errors import LookaheadError, OptionError
from cryptodask.testing import check_rule_lookahead
from cryptodask.trading.holding import hold_and_stop
from cryptodask.trading.rules import Rule, read_rule, rising_probability
from cryptodask.trading.targets import momentum_rows, rule_rows, targets_of
from tests.trading.markets import NAN, column, one_coin, random_market
from tests.trading.tables import backtest_rows

DECLARED = [
    "m", "m:return=0.02", "m:probability=0.6,step=1", "m:top=2", "m:size=volatility,target=0.3",
    "m:top=3,most=0.2,hold=7,stop=0.05", "momentum:lookback=10,top=2", "hold",
]  # fmt: skip


def rows_of(**columns: list[Any]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    defaults = {"cutoff": [pd.Timestamp("2017-01-01")] * n, "coin": list("abcdefgh"[:n]),
                "probability": [0.5] * n, "annual": [1.0] * n}  # fmt: skip
    return pd.DataFrame(defaults | columns)


@pytest.mark.parametrize("text", DECLARED)
def test_a_rule_is_the_text_that_declares_it(text: str) -> None:
    assert read_rule(read_rule(text).text) == read_rule(text)


def test_a_models_name_may_have_a_colon() -> None:
    rule = read_rule("stats:AutoETS:return=0.02,top=5")
    assert (rule.source, rule.minimum, rule.top) == ("stats:AutoETS", 0.02, 5)
    assert read_rule("stats:AutoETS").source == "stats:AutoETS"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m:tops=5", "'tops' is not an option; it has step, lookback, return"),
        ("m:top=5,top=6", "top is given twice"),
        ("m:top=0", "top: must be at least 1"),
        ("m:top=x", "top: must be int"),
        ("m:probability=1.5", "probability: must be from 0 to 1"),
        ("m:size=all", "size: must be one of equal, volatility, parity"),
        ("m:return=nan", "return"),
        ("hold:top=3", "hold:top=3: top: has no effect on hold"),
        ("momentum:probability=0.6", "probability: has no effect on momentum"),
        ("momentum:step=2", "step: has no effect on momentum"),
        ("m:lookback=5", "lookback: has no effect on m"),
        ("m:target=0.3", "target: has no effect without size=volatility"),
        (":top=5", "name a model of the backtest"),
        ("", "name a model of the backtest"),
    ],
)
def test_bad_declarations_are_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read_rule(text)


def test_a_threshold_is_on_the_return_after_costs() -> None:
    rows = rows_of(**{"return": [0.05, 0.03, -0.1, NAN]})
    assert Rule(source="m", minimum=0.02).weigh(rows, 0.02, False).tolist() == [1, 0, 0, 0]
    assert Rule(source="m", minimum=0.02).weigh(rows, 0.0, False).tolist() == [1, 1, 0, 0]


def test_shared_cash_in_equal_parts_up_to_the_most() -> None:
    rows = rows_of(**{"return": [0.05, 0.03, -0.1]})
    assert Rule(source="m").weigh(rows, 0.0, True).tolist() == [0.5, 0.5, 0]
    assert Rule(source="m", most=0.3).weigh(rows, 0.0, True).tolist() == [0.3, 0.3, 0]


def test_a_probability_that_is_missing_meets_no_condition() -> None:
    rows = rows_of(**{"return": [0.05, 0.05, 0.05]}, probability=[0.7, 0.5, NAN])
    assert Rule(source="m", probability=0.6).weigh(rows, 0, False).tolist() == [1, 0, 0]


def test_the_largest_returns_and_equal_ones_by_name() -> None:
    rows = rows_of(**{"return": [0.01, 0.05, 0.05, 0.05]}, coin=["a", "d", "c", "b"])
    assert Rule(source="m", top=2).weigh(rows, 0, False).tolist() == [0, 0, 1, 1]


def test_sizes_by_volatility() -> None:
    rows = rows_of(**{"return": [0.05] * 4}, annual=[0.5, 1.0, 2.0, NAN])
    target = Rule(source="m", size="volatility", target=1.0)
    assert target.weigh(rows, 0, False).tolist() == [1, 1, 0.5, 0]
    assert target.weigh(rows, 0, True).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 6, 0])
    parity = Rule(source="m", size="parity").weigh(rows, 0, True)
    assert parity.tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7, 0])


def test_probability_is_that_of_a_normal_distribution_of_log_prices() -> None:
    width = 2 * norm.ppf(0.9) * 0.1
    rows = pd.DataFrame({"forecast": [110.0], "last": [100.0],
                         "lower_80": [110 * math.exp(-width / 2)],
                         "upper_80": [110 * math.exp(width / 2)]})  # fmt: skip
    assert rising_probability(rows)[0] == pytest.approx(norm.cdf(math.log(1.1) / 0.1))
    assert math.isnan(rising_probability(rows.assign(lower_80=NAN))[0])


def test_positions_are_kept_for_some_bars() -> None:
    targets = column(1.0, 0.0, NAN, NAN, NAN)
    kept = hold_and_stop(targets, column(1, 1, 1, 1, 1), 3, None)
    assert kept[:, 0].tolist() == pytest.approx([1, NAN, NAN, 0, NAN], nan_ok=True)


def test_a_stop_sells_and_does_not_wait() -> None:
    targets = column(1.0, NAN, NAN, 1.0, NAN)
    stopped = hold_and_stop(targets, column(100, 95, 89, 89, 85), 10, 0.1)
    assert stopped[:, 0].tolist() == pytest.approx([1, NAN, 0, 1, NAN], nan_ok=True)


def test_momentum_is_the_return_of_past_closes() -> None:
    market = one_coin([100, 110, 121, NAN, 100])
    rows = momentum_rows(market, market.dates[[2, 3, 4]], 2)
    assert rows["return"].tolist() == pytest.approx([0.21, 100 / 121 - 1])
    assert rows["cutoff"].tolist() == list(pd.to_datetime(market.dates[[2, 4]]))
    with pytest.raises(OptionError, match="lookback: no origin has 9 bars"):
        momentum_rows(market, market.dates[[2]], 9)


def test_volatility_is_the_deviation_of_the_latest_log_returns() -> None:
    market = random_market(0, 80, 3, gaps=0.0)
    table = backtest_rows(market, 1)
    rows = rule_rows(table, market)
    row = rows[rows["coin"] == "c01"].iloc[0]
    date = int(np.flatnonzero(market.dates == row["cutoff"])[0])
    closes = market.close[date - 30 : date + 1, 1]
    returns = np.diff(np.log(closes))
    known = returns[np.isfinite(returns)]
    assert row["volatility"] == pytest.approx(known.std(ddof=1))


def decide(rule: Any, seed: int = 0, shared: bool = False) -> Any:
    market = random_market(seed, 100, 6)
    table = backtest_rows(market, seed)
    origins = np.unique(table["cutoff"].to_numpy().astype("datetime64[s]"))
    return market, table, targets_of(rule, table.drop(columns=["actual", "date"]), market, origins,
                                     costs=0.0, shared=shared, bars_a_year=365.0)  # fmt: skip


def test_coins_without_a_forecast_at_an_origin_are_sold() -> None:
    market, table, targets = decide(read_rule("m:return=-1"))
    for date in np.flatnonzero(np.isfinite(targets).any(axis=1)):
        rows = table[(table["cutoff"] == market.dates[date]) & (table["model"] == "m")]
        held = {market.coins[i] for i in np.flatnonzero(targets[date] > 0)}
        assert held == set(rows["coin"])


def test_functions_get_nothing_that_came_later_and_give_a_weight_a_row() -> None:
    seen: list[str] = []

    def mine(rows: pd.DataFrame) -> Any:
        seen.extend(rows.columns)
        return (rows["return"] > 0).where((rows["model"] == "m") & (rows["step"] == 2))

    _, table, targets = decide(mine)
    assert not {"actual", "date"} & set(seen)
    rows = table[(table["model"] == "m") & (table["step"] == 2)]
    assert np.nansum(targets) == (rows["forecast"] > rows["last"]).sum()
    assert np.isfinite(targets).sum() == len(rows)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda rows: 1.0, "must return a weight a row"),
        (lambda rows: ["x"] * len(rows), "must return numbers"),
        (lambda rows: np.full(len(rows), np.inf), "c0.: the weight at .* is infinite"),
        (lambda rows: np.ones(len(rows)), "c0.: has two weights at"),
        (lambda rows: rows["return"].sort_values(), "must have the index of the rows"),
    ],
)
def test_functions_that_give_something_else_are_refused(wrong: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        decide(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n", "n is not a model of the backtest; it has m, other"),
        ("m:step=3", "step is beyond the horizon, 2"),
        ("m:size=parity", "size=parity divides shared cash"),
    ],
)
def test_rules_that_the_backtest_cannot_serve_are_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        decide(read_rule(text))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), text=st.sampled_from([*DECLARED, "m:size=parity"]))
def test_no_declared_rule_looks_ahead(seed: int, text: str) -> None:
    market = random_market(seed, 100, 6)
    table = backtest_rows(market, seed)
    assert check_rule_lookahead(text, table, market, shared="parity" in text) > 0


def test_rules_that_look_ahead_are_caught() -> None:
    market = random_market(1, 100, 6)
    table = backtest_rows(market, 1)

    def normalised(rows: pd.DataFrame) -> Any:
        """By the mean of all returns, those of later origins too."""
        chosen = (rows["model"] == "m") & (rows["step"] == 1)
        return (rows["return"] > rows["return"].mean() + 0.01).astype(float).where(chosen)

    def next_origin(rows: pd.DataFrame) -> Any:
        chosen = rows[(rows["model"] == "m") & (rows["step"] == 1)]
        later = chosen.groupby("coin")["last"].shift(-1) > chosen["last"]
        return later.astype(float).reindex(rows.index)

    for rule in (normalised, next_origin):
        with pytest.raises(LookaheadError, match=rf"c0.: rule {rule.__name__} gave a weight of"):
            check_rule_lookahead(rule, table, market)


def test_a_check_that_compares_nothing_says_so() -> None:
    market = random_market(1, 100, 6)
    table = backtest_rows(market, 1)
    with pytest.raises(OptionError, match="decided nothing up to any of the dates"):
        check_rule_lookahead("m", table, market, cutoffs=[market.dates[0]])
