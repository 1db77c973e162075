"""The monitor: few false alarms, doubled volatility seen, a stale feed the next day."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import InputError, WriteError
from cryptodask.pipeline.monitor.daily import (
    DRIFTS,
    FEATURES,
    NEEDED,
    Days,
    daily_numbers,
    usable_rows,
)
from cryptodask.pipeline.monitor.judging import (
    Facts,
    Reading,
    drift_values,
    judge_day,
    meaning_of,
)
from cryptodask.pipeline.monitor.limits import (
    HISTORY,
    LARGEST,
    SLACK,
    common_quantile,
    cusum,
    rolling_index,
    stability_index,
)
from cryptodask.pipeline.monitor.notifying import send_alarms, write_gauges
from cryptodask.pipeline.monitor.reference import (
    Reference,
    learn_reference,
    read_reference,
    write_reference,
)
from cryptodask.pipeline.monitor.resampling import block_length, slowness, stationary_bootstrap
from cryptodask.pipeline.monitor.watching import Watched
from cryptodask.prices import CryptoLoader
from cryptodask.results import Backtest
from tests.conftest import REAL_DATA
from tests.pipeline.histories import BEFORE, COINS, log_returns, quantiles_of, rows_of

REFERENCES, EACH = 4, 25
CHANGE, WITHIN = 150, 30


def backtest_of(rows: pd.DataFrame) -> Backtest:
    """A backtest in memory with these rows of one model."""
    table = rows.assign(model="ridge")
    origins = np.unique(table["cutoff"].to_numpy())
    return Backtest(["naive", "ridge"], 1, origins, frame=table)


def make_reference(seed: int, days: int = 730) -> tuple[Reference, dict[int, float]]:
    rng = np.random.default_rng(seed)
    quantiles = quantiles_of(log_returns(1, 400, rng))
    rows = next(rows_of(log_returns(1, days, rng), quantiles, seed))
    return learn_reference(backtest_of(rows), replicates=500), quantiles


@pytest.fixture(scope="module")
def references() -> list[tuple[Reference, dict[int, float]]]:
    return [make_reference(seed) for seed in range(REFERENCES)]


def alarm_days(reference: Reference, rows: pd.DataFrame) -> Any:
    """Whether each day of a history has an alarm, ``(n_days,)``."""
    days = daily_numbers(usable_rows(rows), reference.edges, reference.coins)
    alarms = np.zeros(len(days), dtype=bool)
    for name, drift in reference.drifts.items():
        alarms |= np.abs(drift_values(name, drift, days.numbers[name])) > drift.limit
    for name, feature in reference.features.items():
        index = rolling_index(days.counts[name], np.asarray(feature.shares))
        alarms |= np.nan_to_num(index) > feature.limit
    return alarms


def test_at_most_a_twentieth_of_undisturbed_histories_alarm(
    references: list[tuple[Reference, dict[int, float]]],
) -> None:
    alarmed = []
    for seed, (reference, quantiles) in enumerate(references):
        returns = log_returns(EACH, HISTORY, np.random.default_rng(1_000 + seed))
        histories = rows_of(returns, quantiles, seed)
        alarmed += [alarm_days(reference, rows).any() for rows in histories]
    assert len(alarmed) == 100
    assert sum(alarmed) <= 5


def test_doubled_volatility_is_seen_within_thirty_days(
    references: list[tuple[Reference, dict[int, float]]],
) -> None:
    seen = []
    for seed, (reference, quantiles) in enumerate(references):
        returns = log_returns(EACH, CHANGE + WITHIN, np.random.default_rng(2_000 + seed))
        returns[..., -WITHIN:] *= 2
        histories = rows_of(returns, quantiles, seed)
        seen += [alarm_days(reference, rows)[-WITHIN:].any() for rows in histories]
    assert len(seen) == 100
    assert sum(seen) >= 90


# The statistics.


def test_a_cusum_sums_what_is_beyond_its_slack_on_both_sides() -> None:
    rise, fall = cusum(np.array([1.0, np.nan, 9.0, -1.0, -9.0]))
    first = 1 - SLACK
    top = first + LARGEST - SLACK
    assert rise == pytest.approx([first, first, top, top - 1 - SLACK, 0])
    assert fall == pytest.approx([0, 0, 0, first, first + LARGEST - SLACK])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=50), st.integers(1, 49))
@settings(deadline=None)
def test_a_cusum_depends_on_earlier_days_only(scores: list[float], cut: int) -> None:
    values = np.array(scores)
    early = cusum(values[:cut])
    for side, part in zip(cusum(values), early, strict=True):
        assert side[: len(part)].tolist() == part.tolist()


def test_the_stability_index_is_zero_where_nothing_changed_and_follows_its_formula() -> None:
    assert stability_index(np.full(10, 100_000), np.full(10, 0.1)) == pytest.approx(0, abs=1e-9)
    shares = np.array([0.5, 0.5])
    moved = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert stability_index(np.array([800_000, 200_000]), shares) == pytest.approx(moved, rel=1e-4)
    assert np.isnan(stability_index(np.zeros(2), shares))


def test_the_rolling_index_is_that_of_the_last_days() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (90, 4))
    shares = np.full(4, 0.25)
    index = rolling_index(counts, shares, 60)
    assert np.isnan(index[:59]).all()
    for day in (59, 60, 89):
        window = counts[day - 59 : day + 1].sum(axis=0)
        assert index[day] == pytest.approx(float(stability_index(window, shares)))


def test_resampled_days_come_in_blocks() -> None:
    places = stationary_bootstrap(100, (50, 1000), 20.0, np.random.default_rng(0))
    follows = (np.diff(places, axis=1) % 100) == 1
    assert places.min() == 0
    assert places.max() == 99
    assert follows.mean() == pytest.approx(0.95, abs=0.01)
    alone = stationary_bootstrap(100, (50, 1000), 1.0, np.random.default_rng(0))
    assert ((np.diff(alone, axis=1) % 100) == 1).mean() < 0.02


def test_what_lasts_has_longer_blocks_and_is_slower() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(2_000)
    slow = np.zeros(2_000)
    for day in range(1, 2_000):
        slow[day] = 0.95 * slow[day - 1] + noise[day]
    assert block_length(noise) == 40.0 < block_length(slow)
    assert slowness(noise, 40.0) < 1.3
    # Of an AR(1), the root of (1 + 0.95) / (1 - 0.95) is 6.2.
    assert 4 < slowness(slow, 100.0) < 7


def test_all_limits_together_are_exceeded_by_the_rate() -> None:
    largest = np.random.default_rng(0).standard_normal((6, 20_000))
    quantile = common_quantile(largest, 0.05)
    limits = np.quantile(largest, quantile, axis=1, keepdims=True)
    assert (largest > limits).any(axis=0).mean() == pytest.approx(0.05, abs=0.003)


def test_numbers_of_a_day_follow_from_its_rows() -> None:
    rows = pd.DataFrame(
        {
            "coin": ["a", "b"],
            "date": pd.Timestamp("2026-01-02"),
            "forecast": [100.0, 100.0],
            "lower_80": [90.0, 90.0],
            "upper_80": [110.0, 110.0],
            "lower_95": [80.0, 80.0],
            "upper_95": [120.0, 130.0],
            "actual": [105.0, 125.0],
            "last": [100.0, 50.0],
        }
    )
    edges = {name: [0.0] * 9 for name in FEATURES}
    days = daily_numbers(usable_rows(rows), edges)
    numbers = {name: float(values[0]) for name, values in days.numbers.items()}
    error = (np.log(1.05) + np.log(1.25)) / 2
    assert numbers["coverage_80"] == 0.5
    assert numbers["coverage_95"] == 1.0
    assert numbers["error"] == pytest.approx(error)
    assert numbers["move"] == pytest.approx((np.log(1.05) + np.log(2.5)) / 2)
    assert numbers["error_over_naive"] == pytest.approx(np.log(error / numbers["move"]))
    half = np.log(110 / 90) / 2
    assert numbers["error_over_width"] == pytest.approx(np.log(error / half))
    assert {name: table.sum() for name, table in days.counts.items()} == dict.fromkeys(FEATURES, 2)
    # A day of far fewer coins than usual has no number.
    few = daily_numbers(usable_rows(rows), edges, usual_coins=10)
    assert np.isnan(few.numbers["coverage_80"]).all()


# References.


def test_a_reference_comes_back_from_its_file_and_a_changed_one_is_refused(
    references: list[tuple[Reference, dict[int, float]]], tmp_path: Path
) -> None:
    reference, _ = references[0]
    path = tmp_path / "reference.json"
    write_reference(reference, path)
    assert read_reference(path) == reference
    path.write_text(path.read_text().replace('"step": 1', '"step": 2'))
    with pytest.raises(InputError, match="checksum"):
        read_reference(path)
    with pytest.raises(InputError, match="monitor learn"):
        read_reference(tmp_path / "none.json")


def test_a_reference_needs_a_model_a_step_and_enough_days_in_a_row() -> None:
    rng = np.random.default_rng(0)
    rows = next(rows_of(log_returns(1, 300, rng), {80: 1.6, 95: 2.6}, 0))
    backtest = backtest_of(rows)
    with pytest.raises(InputError, match="lstm"):
        learn_reference(backtest, "lstm")
    with pytest.raises(InputError, match="step 2"):
        learn_reference(backtest, step=2)
    early = rows[rows["date"] < rows["date"].min() + pd.Timedelta(days=100)]
    with pytest.raises(InputError, match="100 days"):
        learn_reference(backtest_of(early))
    every = (rows["date"] - rows["date"].min()).dt.days % 2 == 0
    hourly = rows.assign(cutoff=rows["date"] - pd.Timedelta(hours=1))
    with pytest.raises(InputError, match=r"bars last 1 hours, and the monitor watches daily"):
        learn_reference(backtest_of(hourly))
    with pytest.raises(InputError, match="one bar apart"):
        learn_reference(backtest_of(rows[every]))


def test_the_same_seed_gives_the_same_limits() -> None:
    rng = np.random.default_rng(0)
    rows = next(rows_of(log_returns(1, 150, rng), {80: 1.6, 95: 2.6}, 0))
    first, again, other = (
        learn_reference(backtest_of(rows), seed=seed, replicates=100) for seed in (0, 0, 1)
    )
    assert first == again != other


# Days.


def no_days(reference: Reference) -> Days:
    return daily_numbers(usable_rows(pd.DataFrame(columns=list(NEEDED))), reference.edges)


def facts_of(reference: Reference, facts: Facts, day: str) -> dict[str, Reading]:
    readings = judge_day(reference, no_days(reference), facts, np.datetime64(day, "D"))
    return {reading.measure: reading for reading in readings}


def test_a_stale_feed_is_an_alarm_the_next_day(
    references: list[tuple[Reference, dict[int, float]]],
) -> None:
    reference, _ = references[0]
    # Two of five are delisted long since, and one lacks a day.
    last = np.array(["2026-03-01", "2026-03-01", "2026-02-28", "2025-01-01", "2025-02-01"], "M8[s]")
    facts = Facts(last_bars=last, expected={"a", "b"}, forecast={"a", "b"})
    assert not facts_of(reference, facts, "2026-03-01")["freshness"].is_alarm
    stale = facts_of(reference, facts, "2026-03-02")["freshness"]
    assert stale.is_alarm
    assert stale.value == 1


def test_failures_and_the_age_of_versions_have_limits(
    references: list[tuple[Reference, dict[int, float]]],
) -> None:
    reference, _ = references[0]
    last = np.array(["2026-03-01"], "M8[s]")
    names = [f"c{i}" for i in range(10)]
    one = facts_of(
        reference, Facts(last_bars=last, expected=names, forecast=names[1:]), "2026-03-01"
    )
    assert one["failures"].value == pytest.approx(0.1)
    assert not one["failures"].is_alarm
    none = Facts(last_bars=last, expected=names, forecast=(), trained=91.0)
    readings = facts_of(reference, none, "2026-03-01")
    assert readings["failures"].value == 1
    assert readings["failures"].is_alarm
    assert readings["version_age"].is_alarm
    assert all(meaning_of(measure) != measure for measure in readings)
    assert {f"{name}_drift" for name in DRIFTS} <= set(readings)


# Acting.


@pytest.fixture
def watched() -> Watched:
    readings = [
        Reading(measure="freshness", value=1.0, most=0.0),
        Reading(measure="coverage_80", value=0.7),
        Reading(measure="coverage_80_drift", value=-1.0, least=-8.0, most=8.0),
        Reading(measure="version_age", value=None, most=90.0),
    ]
    return Watched(day="2026-03-01", model='ri"dge\n', readings=readings, new=1)


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """A server that takes what is posted; paths that begin with /bad get an error."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
            else:
                received.append(json.loads(content))
                self.send_response(500 if self.path.startswith("/bad") else 204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_alarms_are_posted_as_json(watched: Watched, receiver: tuple[str, list[Any]]) -> None:
    url, received = receiver
    send_alarms(watched, f"{url}/hook")
    assert received == [watched.summary()]
    assert [alarm["key"] for alarm in received[0]["alarms"]] == [
        'monitor 2026-03-01 ri"dge\n freshness'
    ]


@pytest.mark.parametrize("path", ["/bad", "/moved"])
def test_a_webhook_that_fails_is_named_without_its_secret(
    watched: Watched, receiver: tuple[str, list[Any]], path: str
) -> None:
    url, _ = receiver
    with pytest.raises(WriteError, match=r"webhook at 127\.0\.0\.1") as caught:
        send_alarms(watched, f"{url}{path}/hidden-part")
    assert "hidden-part" not in str(caught.value)


def test_a_webhook_is_of_http(watched: Watched) -> None:
    with pytest.raises(InputError, match="https"):
        send_alarms(watched, "file:///etc/passwd")


def test_gauges_are_what_prometheus_reads(watched: Watched, tmp_path: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    path = tmp_path / "monitor.prom"
    write_gauges(watched, path)
    families = {f.name: f for f in text_string_to_metric_families(path.read_text())}
    values = {s.labels["measure"]: s.value for s in families["cryptodask_monitor_value"].samples}
    assert values == {"freshness": 1.0, "coverage_80": 0.7, "coverage_80_drift": -1.0}
    alarms = {s.labels["measure"]: s.value for s in families["cryptodask_monitor_alarm"].samples}
    assert alarms["freshness"] == 1
    assert sum(alarms.values()) == 1
    assert families["cryptodask_monitor_value"].samples[0].labels["model"] == watched.model
    with pytest.raises(WriteError):
        write_gauges(watched, tmp_path / "none" / "monitor.prom")


def real_returns() -> Any:
    """Daily log returns of the 40 coins with the most rows, ``(1, COINS, n_days)``, and days."""
    if not REAL_DATA.is_dir():
        pytest.skip("needs the files of ../shared/data/crypto-prices-2017, which are not here")
    closes = CryptoLoader(REAL_DATA).get_df().pivot(index="date", columns="coin", values="close")
    closes = closes[closes.index >= "2014-06-01"].asfreq("D")
    most = closes.notna().sum().sort_values(kind="stable").index[-COINS:]
    logs = pd.DataFrame(np.log(closes[most]))
    returns = logs.diff().fillna(0).iloc[1:]
    return returns.to_numpy().T[None], returns.index[BEFORE:]


def test_a_year_of_real_prices_raises_no_alarm_and_the_boom_of_2017_does() -> None:
    returns, dates = real_returns()
    known = int((dates < "2016-05-01").sum())
    quantiles = quantiles_of(returns[..., : BEFORE + known])
    rows = next(rows_of(returns, quantiles, 0))
    days = np.sort(rows["date"].unique())
    calm, boom = int((dates < "2017-03-01").sum()), len(days)
    reference = learn_reference(backtest_of(rows[rows["date"] < days[known]]), replicates=500)
    alarms = alarm_days(reference, rows[rows["date"] >= days[known]])
    assert not alarms[: calm - known].any()
    assert alarms[calm - known : boom - known].any()
