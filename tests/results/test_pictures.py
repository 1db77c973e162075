"""`plot` of results: the numbers that are drawn, which coin, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cryptodask import CryptoLoader, CryptoManager
from cryptodask.charts import Band, Line
from cryptodask.errors import OptionError, UnknownCoinError
from cryptodask.results import Backtest, Forecasts, open_backtest, open_forecasts

MODELS = ["naive", "drift"]


@pytest.fixture(scope="module")
def manager(small_prices: pd.DataFrame):
    with CryptoManager(small_prices, workers=1) as manager:
        yield manager


@pytest.fixture(scope="module")
def forecasts(manager: CryptoManager) -> Forecasts:
    return manager.forecast(MODELS, 5, intervals=True, progress=False)


@pytest.fixture(scope="module")
def backtest(manager: CryptoManager) -> Backtest:
    return manager.backtest(MODELS, 5, origins=4, progress=False)


def lines_of(pane) -> dict[str, list[Line]]:
    lines: dict[str, list[Line]] = {}
    for mark in pane.marks:
        if isinstance(mark, Line):
            lines.setdefault(mark.label, []).append(mark)
    return lines


def sound(result: Forecasts | Backtest) -> str:
    """A coin that all models forecast."""
    rows = result.get_df()
    counts = rows[rows["forecast"].notna()].groupby("coin")["model"].nunique()
    return str(counts[counts == counts.max()].index[-1])


def test_a_forecast_begins_at_the_close_at_its_cutoff(
    forecasts: Forecasts, small_prices: pd.DataFrame
) -> None:
    coin = sound(forecasts)
    chart = forecasts.plot(coin, last=30)
    [pane] = chart.panes
    lines = lines_of(pane)
    closes = small_prices[small_prices["coin"] == coin].tail(30)
    [close] = lines["close"]
    np.testing.assert_array_equal(close.y, closes["close"])
    np.testing.assert_array_equal(close.x, closes["date"])
    rows = forecasts.get_df().query("coin == @coin and model == 'drift'")
    [drift] = lines["drift"]
    np.testing.assert_array_equal(drift.y, [close.y[-1], *rows["forecast"]])
    np.testing.assert_array_equal(drift.x, [close.x[-1], *rows["date"].to_numpy()])
    bands = [mark for mark in pane.marks if isinstance(mark, Band) and mark.place == 1]
    np.testing.assert_array_equal(bands[0].low[1:], rows["lower_95"])
    np.testing.assert_array_equal(bands[1].high[1:], rows["upper_80"])
    assert chart.title == coin
    assert pane.moment == close.x[-1]


def test_without_a_name_it_is_the_first_coin_and_case_does_not_matter(
    forecasts: Forecasts,
) -> None:
    first = sorted(forecasts.get_df()["coin"])[0]
    assert forecasts.plot().title == forecasts.plot(first.upper()).title == first


@pytest.mark.parametrize("kind", ["forecasts", "backtest"])
def test_an_unknown_coin_is_refused_with_names_that_are_there(
    kind: str, request: pytest.FixtureRequest
) -> None:
    result = request.getfixturevalue(kind)
    near = sound(result)
    with pytest.raises(UnknownCoinError, match=rf"'{near}x'.*hold \d+ coins.*'{near}'"):
        result.plot(f"{near}x")


@pytest.mark.parametrize("last", [0, -1, True, 1.5])
def test_a_number_of_bars_that_makes_no_sense_is_refused(forecasts: Forecasts, last) -> None:
    with pytest.raises(OptionError, match="last: must be a number of bars"):
        forecasts.plot(last=last)


def test_forecasts_without_a_row_have_nothing_to_draw(forecasts: Forecasts) -> None:
    assert forecasts.frame is not None
    with pytest.raises(UnknownCoinError, match="nothing to draw; see failures"):
        replace(forecasts, frame=forecasts.frame.iloc[:0]).plot()


def test_a_model_that_failed_is_named_in_the_caption(forecasts: Forecasts) -> None:
    failed = forecasts.failures[forecasts.failures["model"] == "drift"]["coin"].iloc[0]
    assert "no forecast of drift" in forecasts.plot(failed).caption


def test_what_a_logarithmic_axis_leaves_out_is_counted(forecasts: Forecasts) -> None:
    coin = sound(forecasts)
    frame = forecasts.get_df().copy()
    frame.loc[(frame["coin"] == coin) & (frame["step"] == 5), "forecast"] = -1.0
    below = replace(forecasts, frame=frame)
    assert "2 values at or below 0 not drawn" in below.plot(coin, log=True).caption
    assert "not drawn" not in below.plot(coin).caption
    assert "not drawn" not in forecasts.plot(coin, log=True).caption


def test_forecasts_of_a_folder_know_no_closes_unless_they_are_given(
    manager: CryptoManager, forecasts: Forecasts, small_prices: pd.DataFrame, tmp_path
) -> None:
    written = manager.forecast(MODELS, 5, intervals=True, out=tmp_path / "run", progress=False)
    opened = open_forecasts(tmp_path / "run")
    coin = sound(forecasts)
    closes = small_prices[small_prices["coin"] == coin]["close"].tail(180)
    np.testing.assert_array_equal(written.plot(coin).panes[0].marks[0].y, closes)
    bare = opened.plot(coin)
    assert "closes are not known: give prices=" in bare.caption
    given = opened.plot(coin, prices=CryptoLoader(small_prices))
    for chart, first in ((bare, 0), (given, 1)):
        [drift] = lines_of(chart.panes[0])["drift"]
        rows = forecasts.get_df().query("coin == @coin and model == 'drift'")
        np.testing.assert_array_equal(drift.y[first:], rows["forecast"])
    # Nothing is read to print it.
    shown = opened._repr_html_()
    for file in opened.files:
        (tmp_path / "run" / file.name).unlink()
    assert opened._repr_html_() == shown
    assert "naive, drift" in repr(opened)


def test_the_chart_of_a_backtest_has_its_scores(backtest: Backtest) -> None:
    by_step, by_origin, coverage = backtest.plot().panes
    scores = backtest.scores(["model", "step"]).query("model == 'drift'")
    np.testing.assert_allclose(lines_of(by_step)["drift"][0].y, scores["relative_mae"])
    differences = backtest.differences().query("model == 'drift'")
    means = differences.groupby("cutoff")[["loss", "naive_loss"]].mean()
    np.testing.assert_allclose(
        lines_of(by_origin)["drift"][0].y, means["loss"] / means["naive_loss"]
    )
    whole = backtest.scores().set_index("model")
    for model in MODELS:
        [line] = lines_of(coverage)[model]
        np.testing.assert_allclose(line.y, whole.loc[model, ["coverage_80", "coverage_95"]])
    assert by_step.level == by_origin.level == 1.0


def test_a_backtest_without_intervals_has_no_pane_of_them(manager: CryptoManager) -> None:
    plain = manager.backtest(MODELS, 2, origins=2, intervals=False, progress=False)
    assert [pane.y_label for pane in plain.plot().panes] == ["relative MAE", "relative error"]


def test_naive_alone_is_drawn_by_step(manager: CryptoManager) -> None:
    alone = manager.backtest(["naive"], 2, origins=2, intervals=False, progress=False)
    [pane] = alone.plot().panes
    np.testing.assert_array_equal(lines_of(pane)["naive"][0].y, [1.0, 1.0])


def test_a_backtest_without_an_actual_has_nothing_to_draw(backtest: Backtest) -> None:
    assert backtest.frame is not None
    empty = replace(backtest, frame=backtest.frame.assign(actual=np.nan))
    with pytest.raises(OptionError, match="no forecast with an actual"):
        empty.plot()


def test_the_forecasts_of_a_coin_are_drawn_from_each_origin(
    backtest: Backtest, manager: CryptoManager, tmp_path
) -> None:
    coin = sound(backtest)
    lines = lines_of(backtest.plot(coin, last=20).panes[0])
    rows = backtest.get_df().query("coin == @coin and model == 'drift'")
    assert len(lines["drift"]) == len(backtest.origins) == 4
    for line, (_, of_origin) in zip(lines["drift"], rows.groupby("cutoff"), strict=True):
        np.testing.assert_array_equal(line.y, [of_origin["last"].iloc[0], *of_origin["forecast"]])
    # Without prices there are the actuals.
    manager.backtest(MODELS, 5, origins=4, out=tmp_path / "run", progress=False)
    [close] = lines_of(open_backtest(tmp_path / "run").plot(coin).panes[0])["close"]
    actuals = rows.dropna(subset=["actual"]).drop_duplicates("date").sort_values("date")
    np.testing.assert_array_equal(close.y, actuals["actual"])
