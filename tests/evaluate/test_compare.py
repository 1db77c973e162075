"""Tests of coins and models against another library, a plain double sum, and known truths."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from dieboldmariano import dm_test
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptodask.errors import InputError, OptionError
from cryptodask.evaluate.compare import (
    BETTER,
    NO_VERDICT,
    SAME,
    WORSE,
    compare_coins,
    compare_models,
    differences,
    judge_coins,
)
from cryptodask.records import DAY, FloatArray
from tests.evaluate.tables import START, make_backtest


def frame_of(
    values: FloatArray, horizon: int = 1, stride: int = 1, days: Any = None
) -> pd.DataFrame:
    """Differences ``(n_models, n_coins, n_origins)``, as a backtest gives them; NaN is no row."""
    n_models, n_coins, n = values.shape
    cutoffs = START + (np.arange(n) * stride if days is None else np.asarray(days)) * DAY
    columns = {
        "coin": np.array([f"coin-{i:04}" for i in range(n_coins)])[:, None],
        "model": np.array([f"model-{i:03}" for i in range(n_models)])[:, None, None],
        "cutoff": cutoffs,
        "end": cutoffs + horizon * DAY,
        "steps": horizon,
        "loss": 1.0 + values,
        "naive_loss": 1.0,
        "difference": values,
    }
    frame = pd.DataFrame({k: np.broadcast_to(v, values.shape).ravel() for k, v in columns.items()})
    return frame.dropna(ignore_index=True)


def series(length: int, seed: int = 0, overlap: int = 1) -> FloatArray:
    """Random numbers of which so many in a row share shocks."""
    shocks = np.random.default_rng(seed).normal(0, 1, length + overlap - 1)
    return np.convolve(shocks, np.ones(overlap), "valid") + 0.3


def by_hand(values: FloatArray, days: Any, horizon: int) -> tuple[float, float, float]:
    """Statistic, worth and p-value from sums over all pairs of origins."""
    n = len(values)
    off = values - values.mean()
    near = [[abs(a - b) < horizon for a in days] for b in days]
    products = sum(off[i] * off[j] for i in range(n) for j in range(n) if near[i][j])
    weights = float(np.sum(near))
    statistic = values.mean() / np.sqrt(products / n**2) * np.sqrt(1 - weights / n**2)
    p_value = 2 * stats.t.sf(abs(statistic), n**2 / weights - 1)
    return statistic, n**2 / weights, p_value


# One coin.


@pytest.mark.parametrize("n", [4, 9, 50])
def test_without_overlap_it_is_the_other_librarys(n: int) -> None:
    values = series(n, seed=n)
    row = compare_coins(frame_of(values[None, None], horizon=3, stride=3)).iloc[0]
    # Losses of the one forecast are the differences, and of the other 0.
    expected = dm_test([0.0] * n, values, [0.0] * n, loss=lambda u, v: v - u)
    np.testing.assert_allclose([row["statistic"], row["p_value"]], expected, rtol=1e-8)
    # Which is a test of the mean by Student's t.
    plain = stats.ttest_1samp(values, 0)
    np.testing.assert_allclose([row["statistic"], row["p_value"]], plain, rtol=1e-12)
    assert row["worth"] == row["origins"] == n


@pytest.mark.parametrize(("horizon", "stride"), [(2, 1), (5, 1), (10, 3), (7, 7), (7, 6)])
def test_with_overlap_the_statistic_is_the_other_librarys(horizon: int, stride: int) -> None:
    h = -(-horizon // stride)
    n = 12 * h
    values = series(n, seed=h, overlap=h)
    row = compare_coins(frame_of(values[None, None], horizon, stride)).iloc[0]
    expected, _ = dm_test([0.0] * n, values, [0.0] * n, loss=lambda u, v: v - u, h=h)
    assert row["statistic"] == pytest.approx(expected, rel=1e-10)
    # Harvey's correction, and what it says of how much the origins are worth.
    harvey = (n + 1 - 2 * h + h * (h - 1) / n) / n
    assert row["worth"] == pytest.approx(1 / (1 - harvey))
    p_value = 2 * stats.t.sf(abs(row["statistic"]), row["worth"] - 1)
    assert row["p_value"] == pytest.approx(p_value)


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(st.integers(1, 9), min_size=25, max_size=40),
    horizon=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
def test_origins_any_days_apart_are_as_by_hand(steps: list[int], horizon: int, seed: int) -> None:
    days = np.cumsum(steps)
    values = series(len(days), seed)
    row = compare_coins(frame_of(values[None, None], horizon, days=days)).iloc[0]
    expected = by_hand(values, days, horizon)
    if np.isfinite(expected[0]) and row["worth"] >= 4:
        np.testing.assert_allclose(
            row[["statistic", "worth", "p_value"]].astype(float), expected, rtol=1e-9
        )


def test_a_coin_that_misses_origins_is_as_by_hand() -> None:
    values = series(60, seed=5, overlap=3)
    gaps = np.random.default_rng(1).random(60) < 0.3
    full = np.stack([np.where(gaps, np.nan, values), values])
    tests = compare_coins(frame_of(full[None], horizon=3))
    for row, kept in ((0, ~gaps), (1, np.ones(60, dtype=bool))):
        expected = by_hand(values[kept], np.flatnonzero(kept), 3)
        given = tests.loc[row, ["statistic", "worth", "p_value"]].astype(float)
        np.testing.assert_allclose(given, expected, rtol=1e-10)


@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_a_variance_below_0_is_taken_by_shares_of_the_horizon(scale: float) -> None:
    n, h = 40, 3
    values = np.tile([1.0, 1.0, -1.0, -1.0], n // 4) + np.random.default_rng(0).normal(0.02, 0.1, n)
    alike = {"V": [0.0] * n, "P1": values, "P2": [0.0] * n, "loss": lambda u, v: v - u, "h": h}
    with pytest.raises(ArithmeticError, match="negative"):
        dm_test(**alike)
    row = compare_coins(frame_of(scale * values[None, None], h)).iloc[0]
    plain, _ = dm_test(**alike, variance_estimator="bartlett", harvey_correction=False)
    weights = n + 2 * (2 / 3 * (n - 1) + 1 / 3 * (n - 2))
    assert row["statistic"] == pytest.approx(plain * np.sqrt(1 - weights / n**2))


@pytest.mark.parametrize(
    ("values", "horizon", "p_value", "verdict"),
    [
        ([0.1, 0.2, 0.15], 1, np.nan, NO_VERDICT),
        ([0.1, 0.11, 0.1, 0.12], 1, 0.001, WORSE),
        ([-0.1, -0.11, -0.1, -0.12], 1, 0.001, BETTER),
        ([-0.1, 0.11, -0.1, 0.12], 1, 0.95, SAME),
        (series(12).tolist(), 5, np.nan, NO_VERDICT),
        ([0.0] * 8, 1, 1.0, SAME),
        ([0.0] * 3, 1, np.nan, NO_VERDICT),
        ([0.1] * 8, 1, np.nan, NO_VERDICT),
        ([0.1] * 40, 3, np.nan, NO_VERDICT),
        ([-1e-300] * 8, 1, np.nan, NO_VERDICT),
    ],
)
def test_few_origins_or_no_variance(
    values: list[float], horizon: int, p_value: float, verdict: str
) -> None:
    tests = judge_coins(compare_coins(frame_of(np.array(values)[None, None], horizon)))
    assert tests.loc[0, "verdict"] == verdict
    np.testing.assert_allclose(tests.loc[0, "p_value"], p_value, rtol=0.9)


def test_a_coin_does_not_depend_on_those_beside_it() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (2, 5, 40))
    values[:, 1, :25] = np.nan  # the coin came late
    values[:, 3, rng.random(40) < 0.4] = np.nan
    frame = frame_of(values, horizon=3)
    together = compare_coins(frame)
    groups = [["coin-0003"], ["coin-0004", "coin-0000"], ["coin-0001", "coin-0002"]]
    parts = pd.concat([compare_coins(frame[frame["coin"].isin(g)]) for g in groups])
    mixed = compare_coins(frame.sample(frac=1, random_state=1))
    alone = pd.concat([compare_coins(rows) for _, rows in frame.groupby(["coin", "model"])])
    for other in (parts, mixed, alone):
        ordered = other.sort_values(["coin", "model"], ignore_index=True)
        pd.testing.assert_frame_equal(ordered, together, check_exact=True)


# Many coins.

PUBLISHED = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
]  # fmt: skip
"""Those of the worked example of Benjamini and Hochberg (1995), section 4."""


@pytest.mark.parametrize(("correction", "rejected"), [("bh", 4), ("holm", 3)])
def test_so_many_are_rejected_as_in_the_paper(correction: Any, rejected: int) -> None:
    tests = compare_coins(frame_of(np.ones((1, 18, 4))))
    mixed = np.random.default_rng(0).permutation([*PUBLISHED, np.nan, np.nan, np.nan])
    judged = judge_coins(tests.assign(p_value=mixed), correction=correction)
    assert (judged["verdict"] == WORSE).sum() == rejected
    assert (judged["verdict"] == NO_VERDICT).sum() == 3
    assert judged.loc[judged["verdict"] == WORSE, "p_value"].max() == PUBLISHED[rejected - 1]


@pytest.mark.parametrize("correction", ["bh", "holm"])
def test_a_model_without_a_test_has_no_verdict(correction: Any) -> None:
    values = np.random.default_rng(0).normal(0, 1, (2, 3, 6))
    values[0, :, :4] = np.nan
    judged = judge_coins(compare_coins(frame_of(values)), correction=correction)
    verdicts = judged.groupby("model")["verdict"].unique()
    assert verdicts["model-000"].tolist() == [NO_VERDICT]
    assert NO_VERDICT not in verdicts["model-001"]


def test_holms_p_values_are_as_by_hand() -> None:
    tests = compare_coins(frame_of(np.ones((1, 4, 4)))).assign(p_value=[0.01, 0.04, 0.03, 0.005])
    judged = judge_coins(tests, correction="holm")
    assert judged["p_adjusted"].tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_each_model_has_a_correction_of_its_own() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, (3, 20, 15))
    tests = compare_coins(frame_of(values))
    judged = judge_coins(tests)
    for model, rows in tests.groupby("model"):
        alone = judge_coins(rows)
        together = judged[judged["model"] == model].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, together)
        expected = stats.false_discovery_control(alone["p_value"])
        np.testing.assert_allclose(alone["p_adjusted"], expected)


@pytest.mark.parametrize(("overlap", "n", "band"), [(1, 20, (0.035, 0.065)), (5, 60, (0.02, 0.07))])
def test_a_model_no_better_than_naive_is_rejected_as_often_as_it_should_be(
    overlap: int, n: int, band: tuple[float, float]
) -> None:
    shocks = np.random.default_rng(11).normal(0, 1, (3000, n + overlap - 1))
    sums = np.lib.stride_tricks.sliding_window_view(shocks, overlap, axis=1).sum(axis=2)
    tests = compare_coins(frame_of(sums[None], horizon=overlap))
    assert band[0] < (tests["p_value"] < 0.05).mean() < band[1]
    judged = judge_coins(tests)
    assert (judged["verdict"] != SAME).sum() <= 3


def test_a_better_and_a_worse_model_are_found() -> None:
    rng = np.random.default_rng(4)
    shift = np.repeat([-0.8, 0.0, 0.8], [30, 60, 30])[:, None]
    judged = judge_coins(compare_coins(frame_of(rng.normal(shift, 1, (1, 120, 50)))))
    verdicts = judged["verdict"].to_numpy()
    assert (verdicts[:30] == BETTER).mean() > 0.9
    assert (verdicts[-30:] == WORSE).mean() > 0.9
    # Of the verdicts given, about one in twenty may be false.
    assert (verdicts[30:90] != SAME).sum() <= 8


# Over coins.


def common(rng: np.random.Generator, n_models: int, n_coins: int, n: int, share: float) -> Any:
    """Differences of coins with so much in common, calm ones and wild ones."""
    both = rng.normal(0, 1, (n_models, 1, n))
    separate = rng.normal(0, 1, (n_models, n_coins, n))
    wild = np.exp(rng.normal(0, 2, (n_coins, 1)))
    return wild * (np.sqrt(share) * both + np.sqrt(1 - share) * separate)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_coins_that_move_together_are_not_more_evidence(share: float) -> None:
    values = common(np.random.default_rng(5), 300, 20, 24, share)
    judged = compare_models(frame_of(values))
    assert 0.015 < (judged["p_value"] < 0.05).mean() < 0.09
    assert (judged["coins"] == 20).all()
    assert (judged["verdict"] != SAME).sum() <= 1
    if share == 1.0:  # all coins are one, so the verdict is about that of one
        alone = compare_coins(frame_of(values[:, :1]))
        assert stats.spearmanr(alone["p_value"], judged["p_value"]).statistic > 0.9


def test_lopsided_differences_of_many_coins_make_no_verdict() -> None:
    # Over the root mean square of all, with its own, nearly all of these would be "better".
    lopsided = np.random.default_rng(6).normal(0, 1, (200, 200, 12)) ** 2 - 1
    judged = compare_models(frame_of(lopsided))
    assert 0.01 < (judged["p_value"] < 0.05).mean() < 0.1
    shrunk = lopsided / np.sqrt((lopsided**2).mean(axis=2, keepdims=True))
    wrong = stats.ttest_1samp(shrunk.mean(axis=1), 0, axis=1)
    assert (wrong.pvalue < 0.05).mean() > 0.9


def test_a_small_gain_on_every_coin_is_found_over_coins_though_on_few_alone() -> None:
    values = common(np.random.default_rng(7), 1, 200, 40, 0.02)
    values = values - 0.25 * values.std(axis=2, keepdims=True)
    frame = frame_of(np.concatenate([values, -values, np.zeros_like(values)]))
    judged = compare_models(frame)
    assert judged["verdict"].tolist() == [BETTER, WORSE, SAME]
    assert judged["p_value"].iloc[2] == 1
    alone = judge_coins(compare_coins(frame))
    assert (alone["verdict"] == SAME).mean() > 0.7


def test_standardised_differences_are_as_by_hand() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(0, 1, (3, 30)) * [[1], [10], [100]]
    values[1, rng.random(30) < 0.3] = np.nan
    frame = frame_of(values[None], horizon=2)
    means = np.zeros(30)
    for t in range(30):
        parts = []
        for row in values:
            others = [row[s] for s in range(30) if abs(s - t) >= 2 and not np.isnan(row[s])]
            parts.append(row[t] / np.sqrt(np.mean(np.square(others))))
        means[t] = np.nanmean(parts)
    expected = by_hand(means, range(30), 2)
    row = compare_models(frame).loc[0, ["statistic", "worth", "p_value"]].astype(float)
    np.testing.assert_allclose(row, expected, rtol=1e-9)


def test_coins_with_too_few_origins_are_left_out_and_told() -> None:
    values = np.random.default_rng(9).normal(0, 1, (2, 5, 20))
    values[:, 4, :17] = np.nan
    values[1, :, :17] = np.nan
    judged = compare_models(frame_of(values))
    assert judged["model"].tolist() == ["model-000"]
    assert judged["coins"].tolist() == [4]
    alone = compare_models(frame_of(values[:1, :4]))
    assert judged.loc[0, "statistic"] == alone.loc[0, "statistic"]


# From a backtest.


@pytest.mark.parametrize(("loss", "power"), [("absolute", 1), ("squared", 2)])
def test_differences_are_means_over_the_steps_that_both_have(loss: Any, power: int) -> None:
    table, _ = make_backtest(missing=0.3)
    compared = differences(table, loss=loss)
    assert set(compared["model"]) == {"drift", "wild"}
    key = ["coin", "cutoff", "step"]
    naive = table[table["model"] == "naive"].set_index(key)
    for model in ("drift", "wild"):
        rows = table[table["model"] == model].set_index(key)
        parts = [
            (((frame["actual"] if i else rows["actual"]) - frame["forecast"]) / frame["last"]).abs()
            ** power
            for i, frame in enumerate((rows, naive.assign(actual=rows["actual"])))
        ]
        both = pd.concat(parts, axis="columns", keys=["loss", "naive_loss"]).dropna()
        expected = both.groupby(["coin", "cutoff"]).mean()
        rows = compared[compared["model"] == model].set_index(["coin", "cutoff"])
        pd.testing.assert_frame_equal(rows[["loss", "naive_loss"]], expected, rtol=1e-12)
        assert rows["steps"].equals(both.groupby(["coin", "cutoff"]).size().rename("steps"))
    np.testing.assert_array_equal(compared["difference"], compared["loss"] - compared["naive_loss"])
    # The horizon counts, not which of its days have a row.
    assert (compared["end"] - compared["cutoff"] == pd.Timedelta(days=4)).all()


def test_skill_is_the_share_of_naives_loss_that_is_saved() -> None:
    table, _ = make_backtest()
    others = table["model"] != "naive"
    half = (table["actual"] + table["last"]) / 2
    table.loc[others, "forecast"] = half[others]
    table[[c for c in table if c.startswith(("lower", "upper"))]] = np.nan
    judged = judge_coins(compare_coins(differences(table)))
    np.testing.assert_allclose(judged["skill"], 0.5)
    assert compare_models(differences(table))["verdict"].tolist() == [BETTER, BETTER]


def test_what_differs_from_naive_by_rounding_does_not_differ() -> None:
    table, _ = make_backtest(models=("naive", "almost"))
    almost = table["model"] == "almost"
    table.loc[almost, "forecast"] = table.loc[almost, "last"] * (1 + 1e-15)
    for loss in ("absolute", "squared"):
        compared = differences(table, loss=loss)
        assert (compared["difference"] == 0).all()
        assert (judge_coins(compare_coins(compared))["verdict"] == SAME).all()


def test_other_units_change_no_verdict() -> None:
    table, _ = make_backtest(n_cutoffs=10)
    dearer = table.copy()
    dearer[["forecast", "actual", "last"]] *= 4096.0
    dearer[[c for c in table if c.startswith(("lower", "upper"))]] *= 4096.0
    pd.testing.assert_frame_equal(differences(dearer), differences(table), check_exact=True)


def test_parts_of_a_backtest_give_the_bits_of_the_whole() -> None:
    table, _ = make_backtest(6, n_cutoffs=10, missing=0.1)
    parts = [differences(table[table["coin"].isin(c)]) for c in (["coin-4", "coin-1"], ["coin-0"])]
    rest = differences(table[table["coin"].isin(["coin-2", "coin-3", "coin-5"])])
    joined = pd.concat([rest, *parts], ignore_index=True)
    together = differences(table)
    for test in (compare_coins, compare_models, lambda d: judge_coins(compare_coins(d))):
        pd.testing.assert_frame_equal(test(joined), test(together), check_exact=True)


@pytest.mark.parametrize("models", [("naive",), ("drift", "wild")])
def test_without_a_model_or_without_naive_there_is_nothing_to_compare(models: Any) -> None:
    compared = differences(make_backtest(models=models)[0])
    assert compared.empty
    tests = judge_coins(compare_coins(compared))
    assert tests.empty
    assert {"skill", "p_value", "verdict"} <= set(tests.columns)
    assert compare_models(compared).empty


# What is refused.


def test_options_out_of_range_are_refused_by_name() -> None:
    table, _ = make_backtest(2)
    with pytest.raises(OptionError, match="loss: must be one of absolute, squared, got 'mse'"):
        differences(table, loss="mse")  # type: ignore[arg-type]
    tests = compare_coins(differences(table))
    with pytest.raises(OptionError, match="correction: must be one of bh, holm, got 'none'"):
        judge_coins(tests, correction="none")  # type: ignore[arg-type]
    for alpha in (0, 1, 5):
        with pytest.raises(OptionError, match=f"alpha: must be between 0 and 1, got {alpha}"):
            judge_coins(tests, alpha=alpha)
    with pytest.raises(InputError, match="has no column 'last'"):
        differences(table.drop(columns="last"))


@pytest.mark.parametrize("test", [compare_coins, compare_models])
def test_a_coin_in_two_parts_is_refused(test: Any) -> None:
    compared = differences(make_backtest(2)[0])
    with pytest.raises(InputError, match=r"'coin-0', 'model': 'drift', .* is there twice"):
        test(pd.concat([compared, compared]))
