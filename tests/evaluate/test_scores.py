"""Scores against utilsforecast, scikit-learn, and numbers worked by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from utilsforecast import losses

from cryptodask.errors import InputError, OptionError
from cryptodask.evaluate.scores import IN_CURRENCY, scores, sums
from tests.evaluate.tables import make_backtest

QUANTILES = np.array([0.025, 0.1, 0.5, 0.9, 0.975])

COIN = ["coin", "model"]
OFTEN = {"max_examples": 6, "deadline": None}
BY = [["model"], ["model", "step"], ["coin", "model"], ["coin", "model", "step"]]
MODELS = ["drift", "naive", "wild"]


def known(table: pd.DataFrame) -> pd.DataFrame:
    return table.dropna(subset=["forecast", "actual"])


def wide_of(table: pd.DataFrame) -> pd.DataFrame:
    """One column a model, as utilsforecast wants it, and its bounds in columns beside."""
    index = ["coin", "cutoff", "date", "step", "actual"]
    values = ["forecast", *(f"{end}_{at}" for end in ("lower", "upper") for at in (80, 95))]
    wide = table.pivot(index=index, columns="model", values=values)
    short = {"lower": "lo", "upper": "hi"}
    names = []
    for value, model in wide.columns:
        end, _, at = value.partition("_")
        names.append(f"{model}-{short[end]}-{at}" if at else model)
    wide.columns = pd.Index(names)
    names = {"coin": "unique_id", "date": "ds", "actual": "y"}
    return wide.reset_index().rename(columns=names)


def long_of(frame: pd.DataFrame) -> pd.DataFrame:
    """What utilsforecast returned, as one column by coin and model."""
    return frame.groupby("unique_id")[MODELS].mean().stack().rename_axis(COIN)


def own_scores(table: pd.DataFrame) -> pd.DataFrame:
    return scores(sums(table), COIN).set_index(COIN)


# Each coin's own scores, against libraries.


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("by", BY[2:])
def test_errors_are_scikit_learns(missing: float, by: list[str]) -> None:
    table, _ = make_backtest(missing=missing)
    scored = scores(sums(table), by).set_index(by)
    groups = known(table).groupby(by)
    assert len(scored) == len(groups)
    for key, rows in groups:
        actual, forecast = rows["actual"], rows["forecast"]
        bounds = ["lower_95", "lower_80", "forecast", "upper_80", "upper_95"]
        pinball = [
            metrics.mean_pinball_loss(actual, rows[name], alpha=q)
            for name, q in zip(bounds, QUANTILES, strict=True)
        ]
        expected = {
            "n": len(rows),
            "mae": metrics.mean_absolute_error(actual, forecast),
            "rmse": metrics.root_mean_squared_error(actual, forecast),
            "pinball": np.mean(pinball),
            "wql": 2 * np.mean(pinball) / actual.mean(),
        }
        for name, value in expected.items():
            assert scored.loc[key, name] == pytest.approx(value, rel=1e-12, abs=0), name


def test_errors_are_utilsforecasts() -> None:
    table, series = make_backtest(n_cutoffs=7)
    wide, scored = wide_of(table), own_scores(table)
    flat = wide.drop(columns="cutoff")
    quantiles = {m: [f"{m}-lo-95", f"{m}-lo-80", m, f"{m}-hi-80", f"{m}-hi-95"] for m in MODELS}
    expected = {
        "mae": losses.mae(flat, MODELS),
        "rmse": losses.rmse(flat, MODELS),
        "smape": losses.smape(flat, MODELS).assign(
            **{m: lambda f, m=m: 200 * f[m] for m in MODELS}
        ),
        "mase": losses.mase(wide, MODELS, seasonality=1, train_df=series),
        "pinball": losses.mqloss(flat, quantiles, QUANTILES),
        "wql": losses.scaled_crps(flat, quantiles, QUANTILES),
        "relative_mae": losses.rmae(flat, MODELS, "naive"),
    }
    for level in (80, 95):
        expected[f"coverage_{level}"] = losses.coverage(flat, MODELS, level)
        expected[f"winkler_{level}"] = losses.winkler_score(flat, MODELS, level)
    for name, frame in expected.items():
        pd.testing.assert_series_equal(
            scored[name], long_of(frame), check_names=False, rtol=1e-11, atol=0, obj=name
        )


def test_squares_are_scaled_as_utilsforecast_does_at_each_cutoff() -> None:
    table, series = make_backtest()
    for _, rows in table.groupby("cutoff"):
        wide = wide_of(rows)
        expected = long_of(losses.rmsse(wide, MODELS, seasonality=1, train_df=series))
        scored = own_scores(rows)["rmsse"]
        pd.testing.assert_series_equal(scored, expected, check_names=False, rtol=1e-11)
    # Of many cutoffs it is the root of the mean, and not the mean of roots.
    ratio = ((table["actual"] - table["forecast"]) ** 2 / table["scale_sq"]).groupby(
        [table[key] for key in COIN]
    )
    pd.testing.assert_series_equal(
        own_scores(table)["rmsse"], np.sqrt(ratio.mean()), check_names=False, rtol=1e-11
    )


def test_msis_of_one_cutoff_is_winklers_score_by_the_scale() -> None:
    table, _ = make_backtest(n_cutoffs=1)
    scored = own_scores(table)
    scale = table.groupby(COIN)["scale"].first()
    for level in (80, 95):
        expected = scored[f"winkler_{level}"] / scale
        pd.testing.assert_series_equal(scored[f"msis_{level}"], expected, check_names=False)


# Against numbers worked by hand.


def by_hand() -> pd.DataFrame:
    """One coin, one step, four cutoffs; naive, and a model that says nothing on the last."""
    cutoffs = pd.date_range("2017-01-01", periods=4).as_unit("s")
    common: dict[str, Any] = {"coin": "a", "cutoff": cutoffs, "step": 1}
    common |= {
        "date": cutoffs + pd.Timedelta(days=1),
        "last": [10, 10, 20, 20],
        "actual": [12.0, 8, 20, 30],
    }
    common |= {"scale": [2.0, 2, 4, 4], "scale_sq": [4.0, 4, 16, 16]}
    naive = pd.DataFrame({**common, "model": "naive", "forecast": [10.0, 10, 20, 20]})
    other = pd.DataFrame({**common, "model": "other", "forecast": [11.0, 11, 22, np.nan]})
    table = pd.concat([naive, other], ignore_index=True)
    for level, half in ((80, 2), (95, 4)):
        table[f"lower_{level}"] = table["forecast"] - half
        table[f"upper_{level}"] = table["forecast"] + half
    return table


def test_scores_worked_by_hand() -> None:
    scored = own_scores(by_hand())
    other = scored.loc[("a", "other")]
    assert other["n"] == other["n_shared"] == other["n_interval"] == 3
    assert other["mae"] == pytest.approx((1 + 3 + 2) / 3)
    assert other["mase"] == pytest.approx((1 / 2 + 3 / 2 + 2 / 4) / 3)
    assert other["rmsse"] == pytest.approx(np.sqrt((1 / 4 + 9 / 4 + 4 / 16) / 3))
    assert other["smape"] == pytest.approx(200 * (1 / 23 + 3 / 19 + 2 / 42) / 3)
    # Of naive's four errors, 2, 2, 0 and 10, the last is not the model's.
    assert other["relative_mae"] == pytest.approx(6 / 4)
    assert scored.loc[("a", "naive"), "mae"] == pytest.approx(14 / 4)
    assert scored.loc[("a", "naive"), "relative_mae"] == 1
    # It said up, up, up; the price went up, down, and nowhere.
    assert other["n_moved"] == 2
    assert other["direction"] == 1 / 2
    assert scored.loc[("a", "naive"), "n_moved"] == 0
    assert np.isnan(scored.loc[("a", "naive"), "direction"])
    assert other["coverage_80"] == pytest.approx(2 / 3)
    assert other["coverage_95"] == 1
    assert other["width_80"] == pytest.approx(4)
    assert other["relative_width_95"] == pytest.approx((8 / 11 + 8 / 11 + 8 / 22) / 3)
    assert other["winkler_80"] == pytest.approx((4 + (4 + 2 / 0.2 * 1) + 4) / 3)
    assert other["msis_80"] == pytest.approx((4 / 2 + 14 / 2 + 4 / 4) / 3)


def test_rows_that_naive_has_not_do_not_count_against_it() -> None:
    table, _ = make_backtest(2)
    gone = (table["model"] == "naive") & (table["cutoff"] == table["cutoff"].max())
    shared = table["cutoff"] < table["cutoff"].max()
    table.loc[gone, "forecast"] = np.nan
    scored, expected = own_scores(table), own_scores(table[shared])
    assert scored["n"].xs("wild", level="model").tolist() == [24, 24]
    assert scored["n_shared"].tolist() == [20] * 6
    pd.testing.assert_series_equal(scored["relative_mae"], expected["relative_mae"], rtol=1e-12)


def test_bounds_count_as_inside() -> None:
    table, _ = make_backtest(1)
    table["lower_80"] = table["actual"]
    table["upper_95"] = table["actual"]
    table["upper_80"], table["lower_95"] = table["actual"] * 2, table["actual"] / 2
    assert (own_scores(table)[["coverage_80", "coverage_95"]] == 1).all(axis=None)


def test_a_change_by_rounding_has_no_direction() -> None:
    table, _ = make_backtest(1, models=("naive", "almost"))
    table["forecast"] = table["last"] * (1 + 1e-15)
    assert own_scores(table)["n_moved"].tolist() == [0, 0]


# Over coins.


def test_over_coins_each_coin_counts_once() -> None:
    table, _ = make_backtest(missing=0.3, n_coins=5)
    few = table[(table["coin"] != "coin-2") | (table["cutoff"] == table["cutoff"].min())]
    for by in (["model"], ["model", "step"], ["step", "model"]):
        by_coin = scores(sums(few), ["coin", *by])
        scored = scores(sums(few), by).set_index(by)
        assert not set(scored.columns) & set(IN_CURRENCY)
        free = [c for c in scored if c in by_coin and not c.startswith("n") and c != "relative_mae"]
        expected = by_coin.groupby(by)[free].mean()
        pd.testing.assert_frame_equal(scored[free], expected, rtol=1e-12)
        geometric = by_coin.groupby(by)["relative_mae"].agg(lambda r: np.exp(np.log(r).mean()))
        pd.testing.assert_series_equal(scored["relative_mae"], geometric, rtol=1e-12)
        assert scored["n"].equals(by_coin.groupby(by)["n"].sum())


def test_a_coin_that_naive_makes_no_error_on_is_left_out_and_told() -> None:
    table, _ = make_backtest(3)
    still = table["coin"] == "coin-1"
    table.loc[still, "actual"] = table.loc[still, "last"]
    perfect = (table["coin"] == "coin-2") & (table["model"] == "wild")
    table.loc[perfect, "forecast"] = table.loc[perfect, "actual"]
    bounds = [c for c in table if c.startswith(("lower", "upper"))]
    table.loc[perfect, bounds] = np.nan
    by_coin = own_scores(table)
    assert np.isnan(by_coin.loc[("coin-1", "drift"), "relative_mae"])
    assert by_coin.loc[("coin-2", "wild"), "relative_mae"] == 0
    scored = scores(sums(table)).set_index("model")
    assert scored["coins"].to_dict() == {"drift": 3, "naive": 3, "wild": 3}
    assert scored["coins_relative"].to_dict() == {"drift": 2, "naive": 2, "wild": 1}
    assert scored.loc["wild", "relative_mae"] == pytest.approx(
        by_coin.loc[("coin-0", "wild"), "relative_mae"]
    )


def test_rows_without_a_scale_or_intervals_count_for_the_other_scores() -> None:
    table, _ = make_backtest(2)
    first = table["cutoff"] == table["cutoff"].min()
    table.loc[first & (table["coin"] == "coin-0"), ["scale", "scale_sq"]] = 0.0
    table.loc[first & (table["coin"] == "coin-1"), "upper_95"] = np.nan
    by_coin = own_scores(table)
    assert by_coin["n"].unique().tolist() == [24]
    assert by_coin["n_scaled"].xs("coin-0").unique().tolist() == [20]
    assert by_coin["n_interval"].xs("coin-1").unique().tolist() == [20]
    later = own_scores(table[~first])
    same = ["mase", "rmsse", "msis_80", "msis_95"]
    pd.testing.assert_frame_equal(
        by_coin.loc["coin-0", same], later.loc["coin-0", same], rtol=1e-12
    )
    assert by_coin.loc["coin-1", "coverage_80"].equals(later.loc["coin-1", "coverage_80"])


def test_what_has_no_row_that_counts_has_no_score_but_is_there() -> None:
    table, _ = make_backtest(2)
    table.loc[(table["coin"] == "coin-0") & (table["model"] == "wild"), "forecast"] = np.nan
    by_coin = own_scores(table)
    assert by_coin.loc[("coin-0", "wild"), "n"] == 0
    assert np.isnan(
        by_coin.loc[("coin-0", "wild"), ["mae", "mase", "smape", "wql"]].astype(float)
    ).all()
    scored = scores(sums(table)).set_index("model")
    assert scored.loc["wild", "coins"] == 1
    assert scored.loc["wild", "mase"] == by_coin.loc[("coin-1", "wild"), "mase"]


def test_without_intervals_and_without_naive_the_other_scores_remain() -> None:
    table, _ = make_backtest(models=("drift", "wild"))
    bounds = [c for c in table if c.startswith(("lower", "upper"))]
    table[bounds] = np.nan
    scored = scores(sums(table))
    assert scored[["relative_mae", "wql", "coverage_80", "msis_95"]].isna().all(axis=None)
    assert scored[["mase", "rmsse", "smape", "direction"]].notna().all(axis=None)


def test_a_table_of_no_rows_has_no_scores() -> None:
    table, _ = make_backtest(1)
    nothing = sums(table.iloc[:0])
    assert nothing.empty
    assert set(nothing.columns) == set(sums(table).columns)
    for by in BY:
        assert scores(nothing, by).empty


# What must not matter.


@settings(**OFTEN)
@given(seed=st.integers(0, 10**6), missing=st.sampled_from([0.0, 0.3]), by=st.sampled_from(BY))
def test_the_order_of_rows_does_not_matter(seed: int, missing: float, by: list[str]) -> None:
    table, _ = make_backtest(3, n_cutoffs=3, seed=seed, missing=missing)
    expected = scores(sums(table), by)
    mixed = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(scores(sums(mixed), by), expected, check_exact=True)


@settings(**OFTEN)
@given(seed=st.integers(0, 10**6), cuts=st.permutations(range(5)), by=st.sampled_from(BY))
def test_parts_joined_are_the_whole_bit_for_bit(seed: int, cuts: list[int], by: list[str]) -> None:
    table, _ = make_backtest(5, n_cutoffs=3, seed=seed, missing=0.1)
    parts = [cuts[:2], cuts[2:3], cuts[3:]]
    some = [table[table["coin"].isin([f"coin-{i}" for i in part])] for part in parts]
    joined = pd.concat([sums(part) for part in some], ignore_index=True)
    expected = scores(sums(table), by)
    pd.testing.assert_frame_equal(scores(joined, by), expected, check_exact=True)


@settings(**OFTEN)
@given(seed=st.integers(0, 10**6), factor=st.floats(1e-6, 1e6))
def test_other_units_change_the_scores_in_currency_alone(seed: int, factor: float) -> None:
    table, _ = make_backtest(3, n_cutoffs=3, seed=seed)
    dearer = table.copy()
    bounds = [c for c in table if c.startswith(("lower", "upper"))]
    prices = ["forecast", "actual", "last", "scale", *bounds]
    dearer[prices] *= factor
    dearer["scale_sq"] *= factor**2
    before, after = own_scores(table), own_scores(dearer)
    for name in before:
        times = factor if name in IN_CURRENCY else 1
        np.testing.assert_allclose(after[name], times * before[name], rtol=1e-9, err_msg=name)


@settings(**OFTEN)
@given(seed=st.integers(0, 10**6))
def test_winklers_scores_and_the_absolute_error_make_the_pinball_loss(seed: int) -> None:
    # Bracher et al., Evaluating epidemic forecasts in an interval format, 2021.
    table, _ = make_backtest(2, n_cutoffs=3, seed=seed)
    by_coin = own_scores(table)
    weighted = 0.1 * by_coin["winkler_80"] + 0.025 * by_coin["winkler_95"] + 0.5 * by_coin["mae"]
    np.testing.assert_allclose(by_coin["pinball"], weighted / 5, rtol=1e-11)


# What is refused.


@pytest.mark.parametrize("by", [[], ["coin"], ["model", "cutoff"], ["model", "model"], "coin"])
def test_by_has_the_model_and_nothing_unknown(by: Any) -> None:
    table, _ = make_backtest(1)
    with pytest.raises(OptionError, match="by: must be model"):
        scores(sums(table), by)


def test_by_may_be_one_name() -> None:
    table, _ = make_backtest(2)
    pd.testing.assert_frame_equal(scores(sums(table), "model"), scores(sums(table)))


def test_a_coin_in_two_parts_is_refused() -> None:
    added = sums(make_backtest(2)[0])
    with pytest.raises(InputError, match="'coin-0', 'model': 'drift', 'step': 1} is there twice"):
        scores(pd.concat([added, added]))
