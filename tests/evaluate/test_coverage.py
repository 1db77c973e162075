"""Tests of coverage, beside numbers that were worked out by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import OptionError
from cryptodask.evaluate.coverage import (
    FEWEST,
    christoffersen,
    conditional_coverage,
    coverage_tests,
    kupiec,
    rejected,
)
from tests.evaluate.tables import make_backtest


def row(text: str) -> list[bool]:
    return [letter == "x" for letter in text]


def test_kupiec_by_hand() -> None:
    # 2 misses of 10 where 1 is usual: 2 (2 ln(.2/.1) + 8 ln(.8/.9)) = 2 (1.386294 - 0.942264).
    test = kupiec(row("xx........"), 0.1)
    assert test.statistic == pytest.approx(0.888060, abs=1e-5)
    # P(chi2 > s) of one degree of freedom is erfc(sqrt(s / 2)).
    assert test.p_value == pytest.approx(math.erfc(math.sqrt(0.888060 / 2)), abs=1e-5)
    assert test.freedom == 1


def test_kupiec_without_a_miss_and_with_all() -> None:
    assert kupiec(row("." * 20), 0.05).statistic == pytest.approx(-40 * math.log(0.95))
    assert kupiec(row("xxx"), 0.05).statistic == pytest.approx(-6 * math.log(0.05))
    assert kupiec(row("x" + "." * 19), 0.05).statistic == pytest.approx(0.0, abs=1e-12)


def test_christoffersen_by_hand() -> None:
    # Pairs: .. 4, .x 1, x. 1, xx 2. Of 5 after no miss 1 missed, of 3 after one 2; of all 8, 3.
    test = christoffersen(row(".....xxx."))
    chain = math.log(1 / 5) + 4 * math.log(4 / 5) + 2 * math.log(2 / 3) + math.log(1 / 3)
    always = 3 * math.log(3 / 8) + 5 * math.log(5 / 8)
    assert test.statistic == pytest.approx(2 * (chain - always))
    assert test.statistic == pytest.approx(1.7619, abs=2e-3)


def test_conditional_coverage_adds_up_over_the_same_misses() -> None:
    misses = row(".....xxx.")
    both = conditional_coverage(misses, 0.05)
    parts = kupiec(misses[1:], 0.05).statistic + christoffersen(misses).statistic
    assert both.statistic == pytest.approx(parts)
    assert both.freedom == 2
    # Of two degrees of freedom it is exp(-s / 2).
    assert both.p_value == pytest.approx(math.exp(-parts / 2))


def test_true_coverage_is_rejected_as_often_as_it_should_be() -> None:
    rng = np.random.default_rng(1)
    values = [conditional_coverage(rng.random(500) < 0.1, 0.1).p_value for _ in range(400)]
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.04)


def test_misses_in_clusters_are_found() -> None:
    misses = row("....................xxxxx" * 4)
    assert kupiec(misses, 0.2).p_value > 0.9
    assert christoffersen(misses).p_value < 1e-6


@pytest.mark.parametrize("misses", [[], [True]])
def test_nothing_to_test_is_nan(misses: list[bool]) -> None:
    assert math.isnan(christoffersen(misses).p_value)
    assert math.isnan(conditional_coverage(misses, 0.1).p_value)


@pytest.mark.parametrize(
    ("misses", "probability", "said"),
    [
        ([True], 0.0, "probability: must be above 0"),
        ([True], 5.0, "probability: must be above 0 and below 1, got 5"),
        ([0.5, 0.1], 0.1, "misses: must be one row of yes and no, got float64"),
        ([[True]], 0.1, "misses: must be one row"),
    ],
)
def test_bad_input_is_refused(misses: Any, probability: float, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        kupiec(misses, probability)


def covered(n_cutoffs: int = 40, stride: int = 4) -> pd.DataFrame:
    table, _ = make_backtest(4, n_cutoffs=n_cutoffs, stride=stride, missing=0.1)
    return table


def test_a_backtests_tests_are_those_of_its_misses() -> None:
    table = covered()
    tests = coverage_tests(table)
    assert len(tests) == 4 * 3 * 2
    for test in tests.itertuples():
        mine = (table["coin"] == test.coin) & (table["model"] == test.model)
        rows = table[mine & (table["step"] == 4)].dropna(subset=["forecast", "actual"])
        lower, upper = rows[f"lower_{test.level}"], rows[f"upper_{test.level}"]
        missed = ((rows["actual"] < lower) | (rows["actual"] > upper)).to_numpy()
        assert (test.n, test.missed) == (len(missed), missed.sum())
        assert test.kupiec == kupiec(missed, 1 - test.level / 100).p_value
        assert test.christoffersen == christoffersen(missed).p_value


def test_forecasts_that_overlap_are_left_out() -> None:
    daily = covered(n_cutoffs=90, stride=1)
    every = daily["cutoff"].drop_duplicates().sort_values().iloc[::4]
    whole = daily.dropna(subset=["forecast", "actual"])
    # Without missing rows, every fourth origin is taken, from the first on.
    sound = make_backtest(4, n_cutoffs=90, stride=1)[0]
    taken = sound[sound["cutoff"].isin(every)]
    pd.testing.assert_frame_equal(coverage_tests(sound), coverage_tests(taken))
    assert (coverage_tests(whole)["n"] <= 23).all()


def test_too_few_forecasts_are_not_tested() -> None:
    assert coverage_tests(covered(n_cutoffs=FEWEST - 1)).empty
    assert rejected(coverage_tests(covered(n_cutoffs=FEWEST - 1))).empty


def test_shares_of_coins_whose_coverage_is_refuted() -> None:
    tests = pd.DataFrame(
        {
            "coin": ["a", "b", "a", "b"],
            "model": "naive",
            "level": [80, 80, 95, 95],
            "n": [20, 40, 20, 40],
            "missed": [4, 20, 1, 2],
            "kupiec": [0.9, 0.001, 0.8, 0.7],
            "christoffersen": [0.04, np.nan, 0.5, 0.5],
        }
    )
    shares = rejected(tests).set_index("level")
    assert shares["coins"].tolist() == [2, 2]
    assert shares["n"].tolist() == [30, 30]
    assert shares["coverage"].tolist() == pytest.approx([0.65, 0.95])
    assert shares["kupiec"].tolist() == [0.5, 0]
    assert shares["christoffersen"].tolist() == [0.5, 0]
