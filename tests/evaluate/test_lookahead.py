"""Cheats are caught; no model of the catalog cheats."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest

from cryptodask.errors import LookaheadError, OptionError
from cryptodask.evaluate.lookahead import check_lookahead, forecast_at
from cryptodask.models import create_model, list_models, run_model
from cryptodask.models.base import Model, PanelForecast
from cryptodask.models.baseline.naive import Naive
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import OF_LIBRARIES, QUICK, make_panel, need_package


@dataclass(frozen=True)
class Cheat(Model):
    """What the cheats have in common: all but where they look."""

    name: ClassVar[str] = "cheat"

    def min_length(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return np.array([self.ahead(*coin, horizon) for coin in panel]).reshape(-1, horizon)

    def ahead(self, coin: str, values: FloatArray, dates: FloatArray, horizon: int) -> FloatArray:
        raise NotImplementedError


class Hoarder(Cheat):
    """It keeps the longest series of each coin that it ever saw, and looks days up in it."""

    seen: ClassVar[dict[str, FloatArray]] = {}

    def ahead(self, coin: str, values: FloatArray, dates: FloatArray, horizon: int) -> FloatArray:
        if len(values) > len(self.seen.get(coin, ())):
            self.seen[coin] = values.copy()
        after = self.seen[coin][len(values) :][:horizon]
        return np.concatenate([after, np.repeat(values[-1:], horizon - len(after))])


@dataclass(frozen=True)
class Clerk(Cheat):
    """Not a frozen thing at heart: it keeps how many rows of all coins it ever saw."""

    notes: dict[str, float] = field(default_factory=dict)

    def ahead(self, coin: str, values: FloatArray, dates: FloatArray, horizon: int) -> FloatArray:
        self.notes[coin] = max(self.notes.get(coin, 0.0), values.max())
        return np.repeat(values[-1] + self.notes[coin], horizon)


class Peeper(Cheat):
    """It reads on where the array it was given is a view of a longer one."""

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        whole = panel.values if panel.values.base is None else panel.values.base
        return np.repeat(whole[-1], len(panel) * horizon).reshape(-1, horizon)


@pytest.fixture(autouse=True)
def nothing_hoarded() -> Iterator[None]:
    yield
    Hoarder.seen.clear()


def by_views(
    model: Model, panel: Panel, cutoff: np.datetime64, horizon: int, seed: int
) -> PanelForecast:
    """A careless backtest of one coin, which cuts its arrays off without a copy."""
    n = int(np.searchsorted(panel.dates, cutoff, side="right"))
    cut = Panel(panel.coins, panel.values[:n], panel.dates[:n], np.array([0, n]))
    return run_model(model, cut, horizon, seed)


@pytest.mark.parametrize("name", [*list_models(), *OF_LIBRARIES])
def test_no_model_of_the_catalog_looks_ahead(name: str) -> None:
    need_package(name)
    panel = make_panel([70, 90], gaps=True, run=62)
    cutoff = panel.dates[-12]
    model = create_model(name, **QUICK.get(name, {}))
    assert check_lookahead(model, panel, 3, 1, cutoffs=[cutoff]) >= 1


@pytest.mark.parametrize("how", ["mean", "median", "inverse_error"])
def test_weights_are_learnt_before_the_cutoff(how: str) -> None:
    model = create_model("ensemble", how=how, inner=4, members="drift,linear")
    assert check_lookahead(model, make_panel([70, 90]), 3) >= 1


def test_a_model_that_keeps_what_it_saw_is_caught() -> None:
    panel = make_panel([60, 80])
    for _ in range(2):  # also if it has kept everything since an earlier check
        with pytest.raises(LookaheadError) as caught:
            check_lookahead(Hoarder(), panel)
        cutoff = np.unique(panel.dates)[39]
        message = str(caught.value)
        last, after = panel.values[39], panel.values[40]
        assert message.startswith(
            f"coin-0: cheat at {cutoff.astype('M8[D]')} forecast {last!r} for "
            f"{(cutoff + DAY).astype('M8[D]')} and then {after!r}, though only the rows after it"
        )


def test_a_model_that_has_seen_the_panel_before_is_caught() -> None:
    panel, cheat = make_panel([60, 80]), Hoarder()
    run_model(cheat, panel, 10)
    with pytest.raises(LookaheadError):
        check_lookahead(cheat, panel)


def test_a_model_that_writes_into_its_options_is_caught() -> None:
    with pytest.raises(LookaheadError, match=r"^coin-\d: cheat at "):
        check_lookahead(Clerk(), make_panel([60, 80]))


def test_a_model_that_reads_beyond_its_arrays_is_caught_where_the_path_lets_it() -> None:
    panel = make_panel([60])
    with pytest.raises(LookaheadError, match="coin-0: cheat at "):
        check_lookahead(Peeper(), panel, path=by_views)


@pytest.mark.parametrize("name", ["naive", "ridge", "pooled_linear", "svr_rbf"])
def test_a_panel_that_is_long_enough_is_made_if_none_is_given(name: str) -> None:
    assert check_lookahead(create_model(name)) == 6
    assert check_lookahead(create_model(name), horizon=3, seed=5) == 6


def test_there_is_nothing_beyond_the_arrays_of_our_own_path() -> None:
    panel = make_panel([60, 60])
    assert check_lookahead(Peeper(), panel) == 6
    [one, _] = forecast_at(Peeper(), panel, panel.dates[30], 2).values
    assert one.tolist() == [panel.values[90]] * 2


def test_a_coin_takes_part_where_it_has_a_row_on_the_very_day() -> None:
    short, long = make_panel([40]), make_panel([80])
    panel = Panel.from_series(
        [("short", short.values, short.dates), ("long", long.values, long.dates)]
    )
    assert forecast_at(Naive(), panel, long.dates[39], 2).coins == ("short", "long")
    assert forecast_at(Naive(), panel, long.dates[40], 2).coins == ("long",)
    result = forecast_at(Naive(), panel, long.dates[39], 2)
    assert result.cutoffs.tolist() == [long.dates[39].tolist()] * 2
    assert result.values[:, 0].tolist() == [short.values[39], long.values[39]]


def test_what_can_not_be_checked_is_not_called_sound() -> None:
    panel = make_panel([30])
    with pytest.raises(OptionError, match=r"^cutoffs: naive could forecast no coin"):
        check_lookahead(Naive(), panel, cutoffs=[panel.dates[-1]])
    with pytest.raises(OptionError, match="cutoffs: ridge could forecast no coin"):
        check_lookahead(create_model("ridge"), panel, cutoffs=[panel.dates[10]])
    with pytest.raises(OptionError, match="at any of none"):
        check_lookahead(Naive(), make_panel([]))
    with pytest.raises(OptionError, match="horizon"):
        check_lookahead(Naive(), panel, 0)


def test_a_forecast_that_is_there_only_once_is_told() -> None:
    class Shy(Hoarder):
        def ahead(
            self, coin: str, values: FloatArray, dates: FloatArray, horizon: int
        ) -> FloatArray:
            known = len(self.seen.get(coin, ())) > len(values)
            super().ahead(coin, values, dates, horizon)
            return np.full(horizon, np.nan if known else values[-1])

    with pytest.raises(LookaheadError, match=r"coin-0: cheat at .* only once of two times"):
        check_lookahead(Shy(), make_panel([60]))


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("ridge_features", "lag:1 volume_change market_cap_change:2 rsi:5 macd:3,6,4"),
        ("pooled_linear", "lag:1 volume_change bollinger:6 weekday market:1-2"),
    ],
)
def test_declared_features_of_all_kinds_see_nothing_later(name: str, features: str) -> None:
    panel = make_panel([120, 100, 120])
    amounts = np.exp(np.random.default_rng(2).normal(9, 1, len(panel.values)))
    panel = replace(panel, extra={"volume": amounts, "market_cap": amounts[::-1].copy()})
    model = create_model(name, features=features, target="scaled:6", normalise="window:5")
    assert check_lookahead(model, panel, 3) >= 6
    seen = forecast_at(model, panel, panel.dates[60], 3)
    other = replace(panel, extra={**panel.extra, "volume": amounts[::-1].copy()})
    assert not np.array_equal(forecast_at(model, other, panel.dates[60], 3).values, seen.values)


def test_the_inputs_of_an_lstm_and_its_early_stopping_see_nothing_later() -> None:
    model = create_model(
        "lstm",
        **QUICK["lstm"],
        features="lag:1 close std:4 macd:3,6,4 weekday",
        validation_split=0.2,
        epochs=4,
        patience=1,
    )
    assert check_lookahead(model, make_panel([120, 100], gaps=True, run=90), 3) >= 2
