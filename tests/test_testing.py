"""Models that break one rule are caught by it; sound models of users pass."""

import importlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from cryptodask.errors import (
    ContractError,
    LookaheadError,
    MissingExtraError,
    OptionError,
    VersionError,
)
from cryptodask.models import Model
from cryptodask.models.base import Gaps, rng_for
from cryptodask.models.learned import Learned
from cryptodask.models.pooled.base import PooledModel
from cryptodask.models.trained import TrainableModel
from cryptodask.records import FloatArray, Panel
from cryptodask.testing import RULES, check_lookahead, check_model, random_panel

GUIDE = Path(__file__).parent.parent / "CONTRIBUTING.md"


def last_of(panel: Panel, horizon: int) -> FloatArray:
    return np.repeat(panel.values[panel.indptr[1:] - 1][:, None], horizon, axis=1)


@dataclass(frozen=True)
class Last(Model):
    """The last close: sound, and the base of those that are not."""

    name = "last"
    factor: float = 1.0

    def min_length(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return self.factor * last_of(panel, horizon)


class Free(Last):
    cost: ClassVar[float] = 0.0


class Greedy(Last):
    columns: ClassVar[tuple[str, ...]] = ("close",)


class Shrinking(Last):
    def min_length(self, horizon: int) -> int:
        return 30 - horizon


@dataclass(unsafe_hash=True)
class Thawed(Model):
    name = "thawed"
    factor: float = 1.0

    def min_length(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return self.factor * last_of(panel, horizon)


class Plain(Model):
    name = "plain"

    def min_length(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon).copy()


@dataclass(frozen=True)
class Rooted(Last):
    function: Callable[[], int] = field(default=lambda: 1)


class Usurper(Last):
    name = "seasonal_naive"


class Turned(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon).T


class Half(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return np.where(np.arange(horizon) < 1, last_of(panel, horizon), np.nan)


class Single(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> Any:
        return last_of(panel, horizon).astype(np.float32)


class Calendar(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        days = panel.dates[panel.indptr[1:] - 1].astype("datetime64[D]").astype(np.int64)
        return last_of(panel, horizon) * (1 + days[:, None] / 1e9)


class Expectant(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return np.concatenate([np.full((1, horizon), values[-1]) for _, values, _ in panel])


class Moody(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) * (1 + random.random())


class Partial(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        values = last_of(panel, horizon).copy()
        values[:1] *= 1 + rng_for(seed, self.name, panel.coins[0]).random()
        return values


class Flock(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) * (1 + rng_for(seed, self.name, "").random())


class Tip(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) + 1.0


class Writer(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        panel.values[:] = panel.values.round(3)
        return last_of(panel, horizon)


class Stubborn(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        panel.dates.setflags(write=True)
        panel.dates[0] -= 1
        return last_of(panel, horizon).copy()


class View(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return np.lib.stride_tricks.as_strided(
            panel.values[panel.indptr[1] - 1 :], (len(panel), horizon), (0, 0)
        )


class Herd(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) * (1 + panel.values.mean() / panel.values.max())


class Strict(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) * (1.0 if panel.is_even() else 1.1)


class Stretched(Last):
    gaps: ClassVar[Gaps] = "split"

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        days = panel.times[panel.indptr[1:] - 1] - panel.times[panel.indptr[:-1]]
        return last_of(panel, horizon) * (1 + days[:, None] / 1e6)


class Hungry(Last):
    def min_length(self, horizon: int) -> int:
        return 3

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        if (panel.lengths < 5).any():
            raise ValueError("give me five")
        return last_of(panel, horizon)


class Lively(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        ranges = [np.ptp(values) for _, values, _ in panel]
        with np.errstate(invalid="ignore"):
            return last_of(panel, horizon) * np.divide(ranges, ranges)[:, None]


class Nostalgic(Last):
    def lookback(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) + 0 * horizon + panel.values[panel.indptr[:-1]][:, None]


class Torn(Last):
    def rows_at_ends(self, horizon: int) -> tuple[int, int]:
        return 1, 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) * panel.lengths[:, None]


class Divided(Last):
    def rows_at_ends(self, horizon: int) -> tuple[int, int]:
        return 0, 0


class Curious(Last):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return last_of(panel, horizon) * (1 + len(panel.extra))


class Indexed(Last):
    batches_dates: ClassVar[bool] = True

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        last = {coin: values[-1] for coin, values, _ in panel}
        return np.array([[last[coin]] * horizon for coin in panel.coins]).reshape(-1, horizon)


class Talker(Last):
    def explain(self, panel: Panel) -> Any:
        return "I did my best"


class Forgetful(Last, TrainableModel):
    def train(self, panel: Panel, seed: int) -> Model:
        return replace(self, factor=2.0)


@dataclass(frozen=True)
class Pooled(PooledModel):
    """The last close, moved by the mean return of all coins, which is added inexactly."""

    name = "pooled"
    growth: float | None = None
    digits: int = 99
    steps: ClassVar[int] = 1

    def min_length(self, horizon: int) -> int:
        return 2

    def prepare(self, panel: Panel) -> Any:
        return panel

    def begin(self, seed: int) -> Any:
        return 0.0

    def message(self, state: Any) -> Any:
        return None

    def contribute(self, prepared: Any, message: Any, step: int, seed: int) -> Any:
        returns = [np.log(values[1:] / values[:-1]) for _, values, _ in prepared]
        return np.concatenate(returns).round(self.digits).mean() * 2.0 ** (self.digits < 9)

    def advance(self, state: Any, sums: Any) -> Any:
        return state + sums

    def trained(self, state: Any) -> Model:
        return Last(1.0 + state)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        state = self.advance(self.begin(seed), self.contribute(panel, None, 0, seed))
        return self.trained(state).forecast(panel, horizon, seed)


@dataclass(frozen=True)
class Mean(Model):
    """The mean of the closes that it learned of, which is sound; and the base of broken ones."""

    name = "mean"

    def min_length(self, horizon: int) -> int:
        return 1

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        means = np.array([values.mean() for _, values, _ in panel])
        return Learned(panel.coins, {"mean": means})

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return np.repeat(known.arrays["mean"][:, None], horizon, axis=1)

    def lookback_from(self, horizon: int) -> int | None:
        return 1


class Boxed(Mean):
    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        return Learned(panel.coins, {"mean": super().learn(panel, 1, 0).arrays["mean"] + 0j})


class Unstacked(Mean):
    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        more = {"all": np.zeros(len(panel) + 2)}
        return Learned(panel.coins, {**super().learn(panel, 1, 0).arrays, **more})


class Vague(Mean):
    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        raise VersionError("I can't")


class Rounder(Mean):
    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return super().forecast(panel, horizon, seed) * (1 + 2**-52)


class Crowd(Mean):
    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        means = super().learn(panel, horizon, seed).arrays["mean"]
        return Learned(panel.coins, {"mean": means, "others": np.full(len(panel), means.mean())})


class Placed(Mean):
    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        places = np.arange(len(panel))[:, None]
        return super().forecast_from(known, panel, horizon, seed) * (1 + places)


class Stale(Mean):
    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        rows = panel.lengths.astype(np.float64)
        return Learned(panel.coins, {**super().learn(panel, 1, 0).arrays, "rows": rows})

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        stale = panel.lengths > known.arrays["rows"]
        return np.where(stale[:, None], np.nan, super().forecast_from(known, panel, horizon, seed))


class NearSighted(Mean):
    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return super().forecast_from(known, panel, horizon, seed) * panel.lengths[:, None]


BROKEN = [
    ("learns", Boxed(), "mean is complex128, not an array of float64, float32, int64, uint8"),
    ("learns", Unstacked(), r"all has shape \(5,\), and its first axis is to be 3"),
    ("learns", Vague(), "the error does not name the model: I can't"),
    ("learns", Rounder(), r"coin-0: step 1 is \S+, but \S+ from what it learned"),
    ("learns", Crowd(), "others is other among 3 coins"),
    ("learns", Placed(), r"gapped: step 1 is \S+, but \S+ of gapped, coin-0 taken from all"),
    ("learns", Stale(), "of rows that came later it forecasts .*nan"),
    ("learns", NearSighted(), "lookback_from is 1; say that it looks at more"),
    ("declares", Free(), "cost is 0.0"),
    ("declares", Greedy(), r"columns is \('close',\), not a tuple of some of open, high, low"),
    ("declares", Shrinking(), r"min_length is \[29, 5\] for horizons of \[1, 25\]"),
    ("is_frozen", Thawed(), "factor of Thawed can be set"),
    ("is_frozen", Plain(), "Plain is not a dataclass"),
    ("travels", Rooted(), "it can't be pickled"),
    ("is_made_again", Usurper(), r"the catalog makes SeasonalNaive\(season=7\) from {}, not Usurp"),
    ("forecasts", Turned(), r"float64 of shape \(1, 3\) for 3 coins and a horizon of 1"),
    ("forecasts", Single(), r"float32 of shape \(3, 1\)"),
    ("forecasts", Half(), "coin-0 of 3 coins, all sound, has no forecast: Forecast"),
    ("forecasts_hours", Calendar(), r"coin-0: step 1 is \S+, but \S+ in bars of 1 h"),
    ("forecasts_nothing", Expectant(), "it raised ValueError: need at least one array"),
    ("repeats", Moody(), r"coin-0: step 1 is \S+, but \S+ the second time"),
    ("depends_on_seed", Partial(), "another seed changes 3 of 6 prices, and it was to be all"),
    ("names_its_randomness", Flock(), "a seed decides its forecasts, but coins of the same prices"),
    ("names_its_randomness", Moody(), None),
    ("scales", Tip(), "where all prices are 1024 times as high"),
    ("leaves_its_input", Writer(), "it raised ValueError: assignment destination is read-only"),
    ("leaves_its_input", Stubborn(), "forecast wrote into the panel"),
    ("leaves_its_input", View(), "shares memory with the panel"),
    ("forecasts_each_alone", Herd(), r"coin-0: step 1 is \S+, but \S+ without the \d others"),
    ("minds_no_order", Herd(), r"step 1 is \S+, but \S+ among coin-\d"),
    ("minds_no_evenness", Strict(), "beside a coin with a gap"),
    ("treats_gaps", Stretched(), "where gaps are longer"),
    (
        "refuses_short_coins",
        Hungry(),
        "coin-0 of 2 coins, .* has no forecast: ValueError: coin-0: last: give me five",
    ),
    ("refuses_constant_coins", Lively(), "flat of 2 coins, all sound, has no forecast"),
    ("refuses_broken_coins", Moody(), "beside bad"),
    ("sees_its_rows_only", Nostalgic(), "from the last 1 rows"),
    ("sees_its_rows_only", Torn(), r"from \(1, 1\) rows at its ends"),
    ("sees_its_rows_only", Divided(), "fewer than the 1 of min_length"),
    ("sees_its_columns_only", Curious(), "where the panel has all columns"),
    ("batches_dates", Indexed(), "beside its other dates"),
    ("explains", Talker(), "explain returned 'I did my best'"),
    ("trains", Forgetful(), "after training"),
    ("trains", Pooled(), "what it trains is named last, not pooled"),
]


@pytest.mark.parametrize(
    ("rule", "model", "message"), BROKEN, ids=[f"{r}-{type(m).__name__}" for r, m, _ in BROKEN]
)
def test_a_model_that_breaks_a_rule_is_caught_by_it(
    rule: str, model: Model, message: str | None
) -> None:
    with pytest.raises(ContractError) as caught:
        check_model(model, [rule])
    assert str(caught.value).startswith(f"{model.name}: rule {rule}: ")
    assert message is None or re.search(message, str(caught.value)), str(caught.value)


def test_each_rule_has_a_model_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def test_each_rule_says_what_it_demands() -> None:
    assert all(rule.__doc__ for rule in RULES.values())


def test_a_sound_model_obeys_all_rules() -> None:
    assert check_model(Last()) == tuple(RULES)
    assert check_model(Last(), random=False, horizon=1, seed=5, max_coins=2) == tuple(RULES)
    assert check_lookahead(Last()) == 6


def test_a_model_of_learn_and_forecast_from_needs_no_forecast() -> None:
    assert check_model(Mean()) == tuple(RULES)


def test_rules_are_chosen_and_skipped() -> None:
    assert check_model(Tip(), ["scales", "repeats"], skip=["scales"]) == ("repeats",)
    assert check_model(Tip(), skip=["scales"]) == tuple(r for r in RULES if r != "scales")
    with pytest.raises(OptionError, match=r"^rules: no rule is named 'tidy'; rules: declares, "):
        check_model(Last(), ["tidy"])
    with pytest.raises(OptionError, match="horizon: must be at least 1, got 0"):
        check_model(Last(), horizon=0)


def test_what_is_known_of_randomness_is_checked() -> None:
    with pytest.raises(ContractError, match="changes 0 of 6 prices, and it was to be all"):
        check_model(Last(), ["depends_on_seed"], random=True)


def test_what_is_not_a_model_is_refused() -> None:
    with pytest.raises(ContractError, match="must be an instance of a subclass of Model"):
        check_model(Last)  # type: ignore[arg-type]


def test_a_model_without_a_name_is_called_by_its_class() -> None:
    @dataclass(frozen=True)
    class Nameless(Model):
        pass

    with pytest.raises(ContractError, match=r"^Nameless: rule declares: it raised NotImpl.*name"):
        check_model(Nameless())


def test_a_package_that_is_missing_breaks_no_rule() -> None:
    class Lacking(Last):
        def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
            raise MissingExtraError("pip install it")

    with pytest.raises(MissingExtraError, match="pip install it"):
        check_model(Lacking(), ["forecasts"])


def test_look_ahead_is_caught_on_the_panel_that_the_check_makes() -> None:
    seen: dict[str, int] = {}

    class Hoarder(Last):
        def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
            for coin, values, _ in panel:
                seen[coin] = max(seen.get(coin, 0), len(values))
            return last_of(panel, horizon) * np.array([[seen[coin]] for coin in panel.coins])

    with pytest.raises(LookaheadError, match=r"^coin-0: last at 2017-\d\d-\d\d forecast "):
        check_lookahead(Hoarder())


def test_the_model_of_the_guide_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "model_of_the_guide.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("model_of_the_guide")
    assert check_model(module.Median(window=3)) == tuple(RULES)
    assert check_lookahead(module.Median()) == 6
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


def test_panels_are_the_same_for_the_same_seed() -> None:
    first, again = (random_panel([5, 9], 3, gaps=True, columns=["volume"]) for _ in range(2))
    assert np.array_equal(first.values, again.values)
    assert np.array_equal(first.dates, again.dates)
    assert np.array_equal(first.extra["volume"], again.extra["volume"])
    assert not first.is_even()
    assert random_panel([5, 9], 3, gaps=True, unbroken=9).take([1]).is_even()
