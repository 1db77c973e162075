"""A backtest of one panel: what every model says as of each date, and nothing of what came."""

from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.evaluate.backtest import backtest_panel, empty_backtest, scales
from cryptodask.evaluate.rolling import Rolling
from cryptodask.evaluate.rows import BACKTEST_COLUMNS
from cryptodask.models import create_model, list_models, run_model
from cryptodask.models.baseline.naive import Naive
from cryptodask.models.trained import TrainableModel
from cryptodask.records import DAY, DateArray, Panel
from tests.models.conftest import QUICK, START, join, make_panel, one_coin, raising_line, walk


def origins(*days: int) -> DateArray:
    return START + np.array(days) * DAY


def lstm(**options: Any) -> Any:
    return create_model("lstm", **QUICK["lstm"], **options)


@pytest.mark.parametrize("name", ["naive", "linear", "ridge", "lstm"])
def test_a_forecast_as_of_a_date_is_that_of_the_rows_up_to_it(name: str) -> None:
    panel, model = make_panel([80, 60, 30]), create_model(name, **QUICK.get(name, {}))
    done = backtest_panel(panel, model, origins(40, 55), 5, seed=3)
    table = done.table
    assert tuple(table.columns) == BACKTEST_COLUMNS
    assert table.dtypes.to_dict() == empty_backtest().dtypes.to_dict()
    for origin in origins(40, 55):
        for coin, closes, dates in panel:
            rows = table[(table["coin"] == coin) & (table["cutoff"] == origin)]
            upto = dates <= origin
            if origin not in dates:
                assert rows.empty
                continue
            alone = Panel.from_series([(coin, closes[upto], dates[upto])])
            expected = run_model(model, alone, 5, seed=3)
            assert np.array_equal(rows["forecast"], expected.values[0])
            assert np.array_equal(rows["date"].to_numpy(), expected.dates[0])
            known = pd.Series(closes, dates).reindex(expected.dates[0]).to_numpy()
            np.testing.assert_array_equal(rows["actual"], known)
            assert (rows["last"] == closes[upto][-1]).all()
            change = np.diff(closes[upto])
            np.testing.assert_allclose(rows["scale"], np.abs(change).mean())
            np.testing.assert_allclose(rows["scale_sq"], (change**2).mean())


def test_a_window_is_all_that_a_model_sees() -> None:
    panel = make_panel([80])
    done = backtest_panel(panel, create_model("linear"), origins(60), 5, window=20)
    cut = panel.dates <= START + 60 * DAY
    seen = Panel.from_series([("coin-0", panel.values[cut][-20:], panel.dates[cut][-20:])])
    expected = run_model(create_model("linear"), seen, 5)
    assert np.array_equal(done.table["forecast"], expected.values[0])


def test_what_comes_after_an_origin_changes_nothing_but_the_actuals() -> None:
    panel = make_panel([80, 70])
    after = panel.dates > START + 50 * DAY
    other = Panel(panel.coins, np.where(after, panel.values * 3, panel.values), panel.dates,
                  panel.indptr)  # fmt: skip
    first, second = (backtest_panel(p, lstm(), origins(30, 50), 5).table for p in (panel, other))
    pd.testing.assert_frame_equal(first.drop(columns="actual"), second.drop(columns="actual"))
    assert (first["actual"] != second["actual"]).any()


def test_a_coin_that_can_not_be_forecast_yet_is_told_for_that_origin() -> None:
    panel = join([make_panel([80]), one_coin(np.full(80, 2.0), "flat")])
    done = backtest_panel(panel, create_model("ridge"), origins(5, 60), 5)
    failures = [(f.cutoff, f.coin, f.exception) for f in done.failures]
    early, late = origins(5, 60)
    # The first row of a walk is a day after START.
    assert failures == [
        (early, "coin-0", "TooShortError"),
        (early, "flat", "TooShortError"),
        (late, "flat", "ConstantSeriesError"),
    ]
    assert set(done.table["cutoff"]) == {pd.Timestamp(late)}


def test_trained_at_every_second_origin_it_forecasts_newer_rows_by_the_older_training() -> None:
    panel = join([make_panel([80, 75]), shifted(60, 20)])
    model = lstm()
    often, seldom = (
        backtest_panel(panel, model, origins(24, 34, 44, 54), 5, seed=1, refit=refit).table
        for refit in (1, 2)
    )
    key = ["coin", "cutoff", "step"]
    often, seldom = (t.sort_values(key, ignore_index=True) for t in (often, seldom))
    same = (often["forecast"] == seldom["forecast"]).groupby(often["cutoff"]).all()
    assert same.tolist() == [True, False, True, False]
    assert often.drop(columns="forecast").equals(seldom.drop(columns="forecast"))
    # What came only after the training is trained when it comes.
    late = seldom["coin"] == "late"
    assert set(seldom[late]["cutoff"]) == set(pd.to_datetime(origins(34, 44, 54)))
    assert (often["forecast"] == seldom["forecast"])[
        late & (seldom["cutoff"] == origins(34)[0])
    ].all()
    # By the older training, to the bit.
    upto = panel.take([0]).dates <= origins(24)[0]
    first = Panel.from_series([("coin-0", panel.take([0]).values[upto], panel.dates[:80][upto])])
    trained = model.train(first, 1)
    newer = panel.take([0]).dates <= origins(34)[0]
    seen = Panel.from_series([("coin-0", panel.take([0]).values[newer], panel.dates[:80][newer])])
    rows = seldom[(seldom["coin"] == "coin-0") & (seldom["cutoff"] == origins(34)[0])]
    assert np.array_equal(rows["forecast"], trained.forecast(seen, 5, 0)[0])


def shifted(length: int, days: int) -> Panel:
    closes, dates = walk(length, 9)
    return Panel.from_series([("late", closes, dates + days * DAY)])


def test_training_is_kept_only_where_it_is_the_better_part() -> None:
    assert isinstance(lstm(), TrainableModel)
    assert not isinstance(create_model("linear"), TrainableModel)


def test_a_model_for_each_origin_can_be_given() -> None:
    panel = make_panel([80])
    models = [lstm(), lstm(dropout=0.5)]
    table = backtest_panel(panel, models, origins(30, 40), 3).table
    each = [
        backtest_panel(panel, m, origins(d), 3).table for m, d in zip(models, (30, 40), strict=True)
    ]
    pd.testing.assert_frame_equal(table, pd.concat(each, ignore_index=True))


def test_scales_of_a_coin_are_those_of_its_own_changes() -> None:
    panel = make_panel([1, 2, 30])
    absolute, squared = scales(panel, panel.indptr[:-1], panel.indptr[1:])
    assert np.isnan(absolute[0])
    assert np.isnan(squared[0])
    for i in (1, 2):
        change = np.diff(panel.values[panel.indptr[i] : panel.indptr[i + 1]])
        assert absolute[i] == pytest.approx(np.abs(change).mean(), rel=1e-12)
        assert squared[i] == pytest.approx((change**2).mean(), rel=1e-12)


def plainly(model: Any) -> Any:
    """The same model, but for that it is given one date after the other."""
    kind = type(type(model).__name__, (type(model),), {"repeats": False, "ends": None})
    return kind(**{f.name: getattr(model, f.name) for f in fields(model)})


@pytest.mark.parametrize("window", [None, 30])
@pytest.mark.parametrize("name", [m for m in list_models() if create_model(m).batches_dates])
def test_many_dates_in_a_batch_are_the_same_as_one_by_one(
    name: str, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    broken = walk(90, 5)[0]
    broken[60] = np.nan
    late = np.append(np.full(40, 3.0), np.exp(rng.normal(0, 1, 60).cumsum()))
    panel = join([
        make_panel([100, 70, 1, 2]),
        one_coin(np.full(80, 2.0), "flat"),
        one_coin(broken, "broken"),
        one_coin(late, "late"),
        one_coin(np.array([1e-200, 1e200] * 30), "wild"),
        Panel(("holes",), *walk(60, 3, gaps=True, run=24), np.array([0, 60])),
    ])  # fmt: skip
    model, days = create_model(name), origins(*range(1, 100, 3))
    expected = backtest_panel(panel, plainly(model), days, 5, 3, window=window)
    for most in (1, 700, 10**6):
        monkeypatch.setattr("cryptodask.evaluate.origins.ROWS", most)
        done = backtest_panel(panel, model, days, 5, 3, window=window)
        pd.testing.assert_frame_equal(done.table, expected.table, check_exact=True)
        assert done.failures == expected.failures
    assert len(expected.table) > 300


def test_a_batch_that_fails_is_tried_date_by_date() -> None:
    class Picky(Naive):
        def forecast(self, panel: Panel, horizon: int, seed: int) -> Any:
            if (panel.last_dates == origins(20)).any():
                raise ValueError("not on this day")
            return super().forecast(panel, horizon, seed)

    done = backtest_panel(make_panel([60, 50]), Picky(), origins(10, 20, 30), 2)
    assert set(done.table["cutoff"]) == set(pd.to_datetime(origins(10, 30)))
    failures = [(f.cutoff, f.coin, f.message) for f in done.failures]
    day = origins(20)[0]
    why = f"naive: not on this day (test_backtest.py, line {raising_line(Picky.forecast)})"
    assert failures == [(day, coin, f"{coin}: {why}") for coin in ("coin-0", "coin-1")]


@pytest.mark.parametrize("name", [m for m in list_models() if create_model(m).rows_at_ends(4)])
def test_rows_between_the_ends_that_a_model_looks_at_change_nothing(name: str) -> None:
    model, panel = create_model(name), make_panel([40, 25], gaps=True)
    rolling = Rolling(panel)
    spans = rolling.spans(panel.last_dates[:1])
    thin, full = rolling.copy(spans, model.rows_at_ends(4)), rolling.copy(spans)
    assert len(thin.values) < len(full.values)
    assert np.array_equal(model.forecast(thin, 4, 1), model.forecast(full, 4, 1))
