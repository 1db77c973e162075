"""Pooled errors: the same for any division of the coins, and the same after JSON, bit for bit."""

import json
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import InputError
from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.evaluate.intervals.bounds import table_bounds
from cryptodask.evaluate.intervals.conformal import Conformal
from cryptodask.evaluate.intervals.error_counts import PoolSummary
from cryptodask.evaluate.intervals.past_errors import place_errors, table_errors
from cryptodask.evaluate.intervals.pooling import (
    PooledErrors,
    count_errors,
    error_quantiles,
    join_pools,
    summarise,
)
from cryptodask.evaluate.intervals.widths import price_quantiles
from cryptodask.evaluate.rows import BOUNDS, KEPT_LEVELS
from cryptodask.records import DAY
from tests.evaluate.tables import make_backtest

few = settings(max_examples=20, deadline=None)
HORIZON = 4
EMPTY = empty_backtest()


def one_model(seed: int, n_coins: int = 5) -> pd.DataFrame:
    table, _ = make_backtest(n_coins, ("wild",), 12, HORIZON, seed=seed, missing=0.1)
    return table[table["forecast"].notna()].assign(**dict.fromkeys(BOUNDS, np.nan))


def pool(tables: Sequence[pd.DataFrame], origins: np.ndarray) -> PooledErrors:
    """Both passes over parts of a backtest."""
    parts = [table_errors(table, origins, HORIZON, DAY) for table in tables]
    summaries = summarise(join_pools(count_errors([part], None) for part in parts))
    pools = join_pools(count_errors([part], summaries) for part in parts)
    return PooledErrors(summaries, error_quantiles(pools))


def put_bounds(table: pd.DataFrame, origins: np.ndarray, pooled: PooledErrors) -> pd.DataFrame:
    return table_bounds(table, origins, HORIZON, DAY, pooled.summaries, pooled.quantiles)


def assert_same(pooled: PooledErrors, other: PooledErrors) -> None:
    assert pooled.summaries.keys() == other.summaries.keys()
    assert pooled.quantiles.keys() == other.quantiles.keys()
    for cohort, summary in pooled.summaries.items():
        for name in ("cutoffs", "moves", "cap", "mean"):
            left, right = getattr(summary, name), getattr(other.summaries[cohort], name)
            assert (left.dtype, left.shape) == (right.dtype, right.shape)
            assert left.tobytes() == right.tobytes()
        assert pooled.quantiles[cohort].tobytes() == other.quantiles[cohort].tobytes()


@few
@given(st.integers(0, 2**32 - 1))
def test_a_backtest_in_parts_in_any_order_has_the_bits_of_the_whole(seed: int) -> None:
    table = one_model(seed)
    origins = np.unique(table["cutoff"].to_numpy())
    pooled = pool([table], origins)
    bounded = put_bounds(table, origins, pooled)
    parts = [table[table["coin"] <= "coin-1"], EMPTY, table[table["coin"] > "coin-1"]]
    for order in permutations(parts):
        assert_same(pool(order, origins), pooled)
        again = pd.concat([put_bounds(part, origins, pooled) for part in order if len(part)])
        pd.testing.assert_frame_equal(again.sort_index(), bounded, check_exact=True)


def test_the_bounds_of_a_backtest_are_those_of_all_its_errors_at_once() -> None:
    table = one_model(seed=1)
    origins = np.unique(table["cutoff"].to_numpy())
    bounded = put_bounds(table, origins, pool([table], origins))
    history, places = place_errors(table, origins, HORIZON, DAY)
    conformal, levels = Conformal(), {level: name for name, level in KEPT_LEVELS.items()}
    summary = conformal.summarise(conformal.count(history))
    quantiles = conformal.quantiles(conformal.count(history, summary), list(levels))
    prices = np.full(history.errors.shape, np.nan)
    prices[places] = table["forecast"]
    scale = conformal.scale(history, summary)
    bounds = price_quantiles(prices, scale, quantiles, quantiles[..., 2])[places]
    for number, name in enumerate(levels.values()):
        if name == "middle":
            continue
        np.testing.assert_array_equal(bounded[name].to_numpy(), bounds[:, number])
    assert bounded[list(BOUNDS)].notna().any(axis=None)
    pd.testing.assert_frame_equal(
        bounded.drop(columns=list(BOUNDS)), table.drop(columns=list(BOUNDS)), check_exact=True
    )


def test_no_coins_are_counts_of_zero_at_every_origin() -> None:
    origins = np.array(["2016-03-01", "2016-03-05"], dtype="datetime64[s]")
    errors = table_errors(EMPTY, origins, HORIZON, DAY)
    assert errors.history.errors.shape == (0, 2, HORIZON)
    [counts] = count_errors([errors], None).values()
    assert np.array_equal(counts.cutoffs, origins)
    assert not counts.errors.any()
    assert not counts.moves.any()
    pooled = pool([EMPTY], origins)
    lower_95, lower_80, middle, upper_80, upper_95 = pooled.quantiles[0][0].T
    assert (lower_95 < lower_80).all()
    assert middle == pytest.approx(0, abs=1e-9)
    assert (upper_80 < upper_95).all()
    pd.testing.assert_frame_equal(put_bounds(EMPTY, origins, pooled), EMPTY)
    assert put_bounds(one_model(0).head(0), origins, pooled).empty
    assert count_errors([], None) == join_pools([]) == {}
    assert (summarise({}), error_quantiles({})) == ({}, {})


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 5), st.integers(1, 3))
def test_json_brings_every_bit_back(seed: int, cohorts: int, n_origins: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        """Any bits but infinities; of NaN, only the usual ones."""
        values = np.frombuffer(rng.bytes(8 * int(np.prod(shape))), dtype=np.float64).copy()
        values[~np.isfinite(values)] = np.nan
        values[rng.random(len(values)) < 0.1] = -0.0
        return values.reshape(shape)

    origins = np.datetime64("2016-03-01T06:00", "s") + np.arange(n_origins) * np.timedelta64(1, "h")
    pooled = PooledErrors(
        {
            7 * cohort: PoolSummary(
                origins, numbers(n_origins), numbers(n_origins, horizon),
                numbers(n_origins, horizon), int(rng.integers(1 << 40)), cohort,
            )
            for cohort in range(cohorts)
        },
        {7 * cohort: numbers(n_origins, horizon, 5) for cohort in range(cohorts)},
    )  # fmt: skip
    text = json.dumps(pooled.to_json(), allow_nan=False)
    assert_same(PooledErrors.from_json(json.loads(text)), pooled)


def test_no_cohorts_are_read_too() -> None:
    assert_same(PooledErrors.from_json(PooledErrors({}, {}).to_json()), PooledErrors({}, {}))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def at_cohort(**fields: object) -> Callable[[dict[str, Any]], object]:
    def change(value: dict[str, Any]) -> object:
        value["cohorts"]["0"] |= fields
        return value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: None, "value: must be an object with version, cohorts, got None"),
        (lambda _: [1], "value: must be an object with version, cohorts, got [1]"),
        (lambda _: nested(5_000), "value: must be an object with version, cohorts, got "),
        (lambda v: v | {"version": 1}, "version: must be 2, got 1"),
        (lambda v: v | {"version": True}, "version: must be 2, got True"),
        (lambda v: v | {"more": 2}, "value: must be an object with version, cohorts, got {"),
        (lambda v: v | {"cohorts": []}, "cohorts: must be an object, got []"),
        (lambda v: v | {"cohorts": {"x": {}}}, "cohorts: its keys must be whole numbers, got 'x'"),
        (lambda v: v | {"cohorts": {"01": {}}}, "cohorts: its keys must be whole numbers"),
        (lambda v: v | {"cohorts": {"0": {}}}, "cohort 0: must be an object with cutoffs, moves"),
        (at_cohort(cutoffs=["never"]), "cohort 0: cutoffs: must be a list of rising dates"),
        (at_cohort(cutoffs=[]), "cohort 0: cutoffs: must be a list of rising dates"),
        (at_cohort(cutoffs=["2016-03-05", "2016-03-01"]), "cohort 0: cutoffs: must be a list"),
        (at_cohort(cutoffs=["NaT", "NaT"]), "cohort 0: cutoffs: must be a list of rising dates"),
        (
            at_cohort(moves=[1.0]),
            "cohort 0: moves: must be a list of 2 numbers or nulls, got [1.0]",
        ),
        (at_cohort(moves=[1.0, "2"]), "cohort 0: moves: must be a list of 2 numbers or nulls, got"),
        (at_cohort(moves=[1.0, True]), "cohort 0: moves: must be a list of 2 numbers or nulls"),
        (at_cohort(moves=[1.0, float("inf")]), "cohort 0: moves: must be finite, got [1.0, inf]"),
        (at_cohort(moves=[1.0, 10**400]), "cohort 0: moves: must fit 64 bits"),
        (at_cohort(cap=[1.0, 2.0]), "cohort 0: cap: must be a list of 2 × n numbers or nulls"),
        (at_cohort(cap=[[1.0], [2.0, 3.0]]), "cohort 0: cap: must be a list of 2 × n numbers"),
        (at_cohort(cap=[[], []]), "cohort 0: cap: must be a list of 2 × n numbers"),
        (at_cohort(mean=[[1.0], [2.0]]), "cohort 0: mean: must be a list of 2 × 4 numbers"),
        (at_cohort(quantiles=nested(5_000)), "cohort 0: quantiles: must be a list of 2 × 4 × 5"),
    ],
)
def test_other_values_are_refused_in_one_line_that_names_the_field(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    origins = np.array(["2016-03-01", "2016-03-05"], dtype="datetime64[s]")
    value = pool([EMPTY], origins).to_json()
    with pytest.raises(InputError) as refusal:
        PooledErrors.from_json(change(value))
    text = str(refusal.value)
    assert text.startswith(f"pooled errors: {message}"), text
    assert text.endswith("delete them and run again")
    assert "\n" not in text
    assert len(text) < 300
