"""Running a model on a panel: who fails, who does not, and what is nobody's fault."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import ContractError, MissingExtraError, OptionError
from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.models import create_model, run_model
from cryptodask.models.base import Gaps, fingerprints, rng_for
from cryptodask.models.baseline.naive import Naive
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import START, join, make_panel, one_coin, raising_line

calm = settings(deadline=None)


@dataclass(frozen=True)
class Picky(Naive):
    """The last close, but it has something against the coins of one name."""

    name: ClassVar[str] = "picky"
    coin: str = ""
    error: BaseException | None = None
    instead: float = np.nan

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        values = super().forecast(panel, horizon, seed)
        if self.coin in panel.coins:
            if self.error is not None:
                raise self.error
            values[panel.coins.index(self.coin), -1] = self.instead
        return values


def test_a_coin_that_makes_the_model_raise_is_lost_alone() -> None:
    panel = make_panel([5, 6, 7, 8])
    result = run_model(Picky(coin="coin-1", error=ZeroDivisionError("by nothing")), panel, 3)
    others = panel.take([0, 2, 3])
    assert result.coins == others.coins
    assert np.array_equal(result.values, run_model(Naive(), others, 3).values)
    assert np.array_equal(result.cutoffs, others.last_dates)
    assert np.array_equal(result.dates, others.future_dates(3))
    [failure] = result.failures
    assert (failure.coin, failure.model) == ("coin-1", "picky")
    said = f"coin-1: picky: by nothing (test_base.py, line {raising_line(Picky.forecast)})"
    assert (failure.exception, failure.message) == ("ZeroDivisionError", said)


def test_a_coin_that_makes_the_model_raise_is_lost_when_it_is_the_only_one() -> None:
    result = run_model(Picky(coin="coin-0", error=KeyError("k")), make_panel([5]), 3)
    assert result.coins == ()
    assert result.values.shape == result.dates.shape == (0, 3)
    assert [f.exception for f in result.failures] == ["KeyError"]


@pytest.mark.parametrize("instead", [np.nan, np.inf, -np.inf])
def test_a_forecast_that_is_not_finite_is_a_forecast_error(instead: float) -> None:
    panel = make_panel([5, 6])
    result = run_model(Picky(coin="coin-0", instead=instead), panel, 3)
    assert result.coins == ("coin-1",)
    assert np.array_equal(result.values, run_model(Naive(), panel.take([1]), 3).values)
    [failure] = result.failures
    assert (failure.coin, failure.exception) == ("coin-0", "ForecastError")
    assert failure.message.startswith("coin-0: picky gave [")
    assert str(instead) in failure.message


@pytest.mark.parametrize(
    "error", [MissingExtraError("no Keras"), OptionError("no such loss"), MemoryError("too much")]
)
def test_what_is_no_fault_of_a_coin_is_raised(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        run_model(Picky(coin="coin-1", error=error), make_panel([5, 6, 7]), 3)


@dataclass(frozen=True)
class Narrow(Naive):
    """The last close of each coin once, and not at each bar, which NumPy would stretch."""

    name: ClassVar[str] = "narrow"

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return super().forecast(panel, horizon, seed)[:, :1]


def test_a_forecast_of_another_shape_is_the_models_fault() -> None:
    shown = r"narrow: forecast returned shape \(2, 1\), and \(n_coins, horizon\) is \(2, 3\)"
    with pytest.raises(ContractError, match=shown):
        run_model(Narrow(), make_panel([5, 6]), 3)


@dataclass(frozen=True)
class Odd(Naive):
    """The last closes, as something else than numbers."""

    name: ClassVar[str] = "odd"
    kind: str = ""

    def forecast(self, panel: Panel, horizon: int, seed: int) -> Any:
        prices = super().forecast(panel, horizon, seed)
        if self.kind == "list":
            return prices.tolist()
        return np.ma.masked_less(prices, 1e9) if self.kind == "masked" else prices.astype(self.kind)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("list", "list of float64"),
        ("masked", "MaskedArray of float64"),
        ("complex128", "ndarray of complex128"),
        ("object", "ndarray of object"),
        ("datetime64[s]", r"ndarray of datetime64\[s\]"),
        ("bool", "ndarray of bool"),
        ("U9", "ndarray of <U9"),
    ],
)
def test_a_forecast_of_anything_but_numbers_is_the_models_fault(kind: str, shown: str) -> None:
    with pytest.raises(ContractError, match=f"odd: forecast returned a {shown}; it must be"):
        run_model(Odd(kind), make_panel([5, 6]), 3)
    assert run_model(Odd("float32"), make_panel([5, 6]), 3).values.shape == (2, 3)


def test_a_forecast_of_another_shape_is_not_stretched_in_a_backtest() -> None:
    origins = START + np.array([20, 25]) * DAY
    with pytest.raises(ContractError, match="narrow: forecast returned shape"):
        backtest_panel(make_panel([40, 50]), Narrow(), origins, 3)


def test_a_run_can_be_interrupted() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_model(Picky(coin="coin-1", error=KeyboardInterrupt()), make_panel([5, 6]), 3)


def test_a_coin_without_rows_is_too_short_even_for_the_last_close() -> None:
    result = run_model(Naive(), one_coin(np.empty(0), "none"), 3)
    assert result.coins == ()
    assert result.values.shape == result.dates.shape == (0, 3)
    assert [(f.coin, f.exception) for f in result.failures] == [("none", "TooShortError")]


def test_every_coin_is_either_forecast_or_failed() -> None:
    rows = [one_coin(np.array(closes), coin) for coin, closes in {
        "good": [1.0, 2.0, 4.0],
        "short": [1.0],
        "flat": [2.0, 2.0, 2.0],
        "broken": [1.0, np.nan, 2.0],
        "fine": [3.0, 1.0],
    }.items()]  # fmt: skip
    result = run_model(create_model("linear"), join(rows), 2)
    assert result.coins == ("good", "fine")
    assert {f.coin: f.exception for f in result.failures} == {
        "short": "TooShortError",
        "flat": "ConstantSeriesError",
        "broken": "BrokenSeriesError",
    }


@dataclass(frozen=True)
class Segments(Naive):
    """The last close, of coins that have four rows without a gap."""

    name: ClassVar[str] = "runs"
    gaps: ClassVar[Gaps] = "split"

    def min_length(self, horizon: int) -> int:
        return 3 + horizon


def steps(coin: str, *apart: int, step: np.timedelta64 = DAY) -> Panel:
    """A coin whose rows are so many bars apart."""
    dates = START + np.cumsum([0, *apart]) * step
    return Panel.from_series([(coin, 1.0 + np.arange(len(dates)), dates)], step)


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (DAY, "2017-09-24", "2017-09-26"),
        (np.timedelta64(4, "h"), "2017-09-22T08:00", "2017-09-22T16:00"),
    ],
)
def test_a_model_of_runs_refuses_a_coin_by_name_with_its_last_gap_and_its_rows_after_it(
    step: np.timedelta64, before: str, after: str
) -> None:
    coins = {
        "whole": (1, 1, 1, 1), "early gap": (3, 9, 1, 1, 1), "late gap": (1, 1, 2, 1),
        "two gaps": (7, 1, 2, 1, 1), "short": (1, 1),
    }  # fmt: skip
    parts = [list(steps(coin, *apart, step=step)) for coin, apart in coins.items()]
    result = run_model(Segments(), Panel.from_series([p for [p] in parts], step), 1)
    assert result.coins == ("whole", "early gap")
    told = {failure.coin: failure.message for failure in result.failures}
    assert {failure.exception for failure in result.failures} == {"TooShortError"}
    assert told["late gap"] == (
        f"late gap: 2 rows after its last gap, from {before} to {after}; runs needs 4 without a "
        "gap for a horizon of 1: fill short gaps with gaps='fill' (--gaps fill --gap-limit N), or "
        "use another model"
    )
    assert told["two gaps"].startswith("two gaps: 3 rows after its last gap, from ")
    assert told["short"] == "short: 3 rows, runs needs 4 for a horizon of 1"
    # To a model that reads the dates, or needs none, gaps are nothing.
    whole = run_model(Naive(), Panel.from_series([p for [p] in parts], step), 1)
    assert whole.coins == tuple(coins)


@calm
@given(
    st.lists(st.integers(1, 3), max_size=12),
    st.integers(1, 3),
    st.sampled_from([DAY, np.timedelta64(1, "h"), np.timedelta64(4, "h")]),
)
def test_a_coin_of_runs_is_forecast_where_its_last_run_is_long_enough(
    apart: list[int], horizon: int, step: np.timedelta64
) -> None:
    last = 1
    for bars in apart:
        last = last + 1 if bars == 1 else 1
    result = run_model(Segments(), steps("coin", *apart, step=step), horizon)
    assert (result.coins == ("coin",)) == (last >= 3 + horizon)
    assert len(result.failures) == len(result.coins) ^ 1


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_below_one_day_is_refused(horizon: int) -> None:
    with pytest.raises(OptionError, match=f"horizon: must be at least 1, got {horizon}"):
        run_model(Naive(), make_panel([5]), horizon)


def test_random_numbers_of_a_coin_never_change() -> None:
    assert rng_for(0, "random", "Bitcoin").bit_generator.random_raw() == 12547456116770538647
    assert rng_for(7, "lstm", "Ð-coin").bit_generator.random_raw() == 14769903749330058050


def test_random_numbers_of_a_coin_are_those_of_any_other_process() -> None:
    code = (
        "from cryptodask.models.base import rng_for\n"
        "print(rng_for(3, 'lstm', 'Ripple').bit_generator.random_raw(2).tolist())"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    here = rng_for(3, "lstm", "Ripple").bit_generator.random_raw(2)
    assert told.stdout.strip() == str(here.tolist())


keys = st.tuples(st.integers(-5, 2**70), st.sampled_from(["lstm", "random"]), st.text(max_size=8))


@calm
@given(one=keys, other=keys)
def test_another_seed_model_or_coin_has_other_random_numbers(
    one: tuple[int, str, str], other: tuple[int, str, str]
) -> None:
    first, second = (rng_for(*key).bit_generator.random_raw() for key in (one, other))
    assert (first == second) == (one == other)


def test_models_that_declare_features_have_a_fingerprint_and_others_none() -> None:
    models = [
        create_model("naive"),
        create_model("lstm"),
        create_model("ridge_features", features="lag:1"),
    ]
    told = fingerprints(models)
    assert list(told) == ["ridge_features"]
    one, other, again = (
        fingerprints([create_model("lstm", features=text)])
        for text in ("lag:1 std:4", "lag:1 std:5", "lag:1  std:4")
    )
    assert list(one) == ["lstm"]
    assert len(one["lstm"]) == 64
    assert one == again
    assert one != other
