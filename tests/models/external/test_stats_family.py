"""Any model of statsforecast by its name; and what is told where it is not installed."""

import sys

import numpy as np
import pytest

from cryptodask.errors import MissingExtraError, OptionError, UnknownModelError
from cryptodask.models import create_model, describe_model, model_options, run_model
from cryptodask.models.catalog import build_model
from cryptodask.records import DAY, Panel
from tests.models.conftest import make_panel, need_package, walk


@pytest.fixture
def installed() -> None:
    need_package("stats:all")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("log", [False, True])
def test_it_is_statsforecasts(log: bool) -> None:
    from statsforecast.models import AutoETS

    model = create_model("stats:AutoETS", model="ZZN", season_length="7", log=str(log))
    panel = make_panel([90, 60])
    for row, (_, closes, _) in zip(model.forecast(panel, 5, seed=0), panel, strict=True):
        y = np.log(closes) if log else closes
        theirs = AutoETS(season_length=7, model="ZZN").forecast(y=y, h=5)["mean"]
        assert np.array_equal(row, np.exp(theirs) if log else theirs)


@pytest.mark.usefixtures("installed")
def test_only_the_rows_after_the_last_gap_are_seen() -> None:
    closes, dates = walk(100)
    dates[60:] += DAY
    model = create_model("stats:HistoricAverage")
    [row] = run_model(model, Panel.from_series([("coin", closes, dates)]), 2).values
    np.testing.assert_allclose(row, closes[60:].mean(), rtol=1e-6)


@pytest.mark.usefixtures("installed")
def test_options_are_ours_and_those_of_the_class() -> None:
    options = model_options("stats:AutoETS")
    assert options["log"] == (bool, False)
    assert options["season_length"] == (int, 1)
    assert "alias" not in options
    with pytest.raises(OptionError, match="stats:AutoETS: has no option 'alias'; its options: log"):
        build_model("stats:AutoETS", {"alias": "x"})


@pytest.mark.usefixtures("installed")
def test_an_option_that_has_to_be_given_is_told() -> None:
    with pytest.raises(OptionError, match=r"stats:SeasonalNaive: .*'season_length'"):
        create_model("stats:SeasonalNaive")
    model = create_model("stats:SeasonalNaive", season_length=12)
    assert model.min_length(1) == 26
    assert create_model("stats:Naive").min_length(1) == 10


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["", "Foo", "AutoETS.forecast", "__doc__", "ConformalIntervals"])
def test_an_unknown_model_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        create_model(f"stats:{name}")
    assert f"'stats:{name}': statsforecast has no such model; its models: " in str(caught.value)
    assert "AutoETS" in str(caught.value)


@pytest.mark.usefixtures("installed")
def test_a_coin_that_can_not_be_fitted_fails_alone() -> None:
    # A moving average of more days than the coin has is no number.
    model = create_model("stats:WindowAverage", window_size=50)
    result = run_model(model, make_panel([20, 80]), 3)
    assert result.coins == ("coin-1",)
    assert [failure.coin for failure in result.failures] == ["coin-0"]


@pytest.mark.usefixtures("installed")
def test_it_is_described() -> None:
    assert describe_model("stats:AutoETS") == "statsforecast's AutoETS on a coin's closes."


def test_without_statsforecast_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(MissingExtraError, match=r"stats:AutoETS needs statsforecast.*\[stats\]"):
        create_model("stats:AutoETS")
