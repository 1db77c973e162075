"""The monitor on a store, by its command, and its page in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cryptodask.cli.app import app
from cryptodask.errors import InputError
from cryptodask.pipeline.monitor.reference import learn_reference, read_reference, write_reference
from cryptodask.pipeline.monitor.watching import watch_day
from cryptodask.results import Backtest
from cryptodask.store.monitoring import MonitorStore
from tests.dashboard.conftest import chromium, open_page, open_url  # noqa: F401
from tests.pipeline.histories import log_returns, quantiles_of, rows_of, store_days

HOSTILE = "<script>alert(1)</script>"
MODEL = HOSTILE
DAYS, CALM = 100, 80


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """A history whose volatility is three times as large from day `CALM` on."""
    rng = np.random.default_rng(7)
    quantiles = quantiles_of(log_returns(1, 300, rng))
    returns = log_returns(1, 300 + DAYS, rng)
    returns[..., -(DAYS - CALM) :] *= 3
    return next(rows_of(returns, quantiles, 7)).assign(model=MODEL)


@pytest.fixture(scope="module")
def reference_file(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dates = np.unique(rows["date"])
    known = rows[rows["date"] < dates[300]]
    backtest = Backtest(["naive", MODEL], 1, np.unique(known["cutoff"]), frame=known)
    path = tmp_path_factory.mktemp("reference") / "reference.json"
    write_reference(learn_reference(backtest, replicates=200), path)
    return path


@pytest.fixture(scope="module")
def days(rows: pd.DataFrame) -> list[str]:
    """The days that are watched."""
    return [f"{day:%Y-%m-%d}" for day in sorted(rows["date"].unique())[300:]]


@pytest.fixture(scope="module")
def place(rows: pd.DataFrame, days: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run from each day, and closes up to the last one."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    after = rows[rows["cutoff"] >= pd.Timestamp(days[0])]
    store_days(path, after)
    return path


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["monitor", *map(str, words)], env={"COLUMNS": "200"})


def check(place: Path, reference: Path, day: str, *words: object) -> tuple[int, dict[str, Any]]:
    options = ("--store", place, "--reference", reference, "--date", day, "--json", *words)
    result = run("check", *options)
    return result.exit_code, json.loads(result.stdout)


def test_a_day_is_watched_by_the_command(
    place: Path, reference_file: Path, days: list[str], tmp_path: Path
) -> None:
    gauges = tmp_path / "monitor.prom"
    code, summary = check(place, reference_file, days[CALM - 20], "--prometheus", gauges)
    assert (code, summary["alarms"]) == (0, [])
    assert 'measure="coverage_80"' in gauges.read_text()
    code, summary = check(place, reference_file, days[-2])
    assert code == 3
    assert len(summary["alarms"]) > 0
    # Again: the same numbers, and no alert twice.
    code, again = check(place, reference_file, days[-2])
    assert code == 3
    assert summary["new"] == len(summary["alarms"])
    assert again == summary | {"new": 0}
    with MonitorStore(place) as store:
        numbers = store.numbers(MODEL)
        alerts = store.alerts()
    assert {pd.Timestamp(days[CALM - 20]), pd.Timestamp(days[-2])} <= set(numbers["day"])
    assert not numbers.duplicated(["day", "measure"]).any()
    keys = alerts.loc[alerts["subject"] == days[-2], "key"]
    assert keys.tolist() == [alarm["key"] for alarm in summary["alarms"]]


def test_a_feed_that_stopped_is_an_alarm_the_next_day(
    place: Path, reference_file: Path, days: list[str]
) -> None:
    last = pd.Timestamp(days[-1])
    measured = {
        r.measure: r for r in watch_day(place, read_reference(reference_file), days[-1]).readings
    }
    assert measured["freshness"].value == 0
    following = f"{last + pd.Timedelta(days=1):%Y-%m-%d}"
    watched = watch_day(place, read_reference(reference_file), following)
    alarms = {reading.measure for reading in watched.alarms}
    assert {"freshness", "failures"} <= alarms


def test_a_webhook_that_nobody_hears_is_said_at_the_end_and_numbers_are_kept(
    place: Path, reference_file: Path, days: list[str]
) -> None:
    day = days[-3]
    options = ("--store", place, "--reference", reference_file, "--date", day)
    result = run("check", *options, "--webhook", "http://127.0.0.1:9/secret")
    assert result.exit_code == 1
    assert "webhook at 127.0.0.1" in result.stderr
    assert "secret" not in result.output
    with MonitorStore(place) as store:
        assert pd.Timestamp(day) in set(store.numbers(MODEL)["day"])


def test_a_store_without_closes_is_an_error(reference_file: Path, tmp_path: Path) -> None:
    with MonitorStore(tmp_path / "empty.db"):
        pass
    with pytest.raises(InputError, match="no closes"):
        watch_day(tmp_path / "empty.db", read_reference(reference_file), "2026-01-01")


def test_the_page_shows_measures_limits_and_alarms(
    place: Path,
    reference_file: Path,
    days: list[str],
    tmp_path: Path,
    open_page: Callable[[Path], Any],  # noqa: F811
) -> None:
    reference = read_reference(reference_file)
    for day in days[CALM - 10 : -3 : 3]:
        watch_day(place, reference, day)
    path = tmp_path / "monitor.html"
    result = run("page", "--store", place, "--out", path)
    assert result.exit_code == 0, result.output
    page = open_page(path)
    page.locator(".model", has_text=HOSTILE).wait_for()
    assert page.locator("script", has_text="alert(1)").count() == 0
    page.get_by_text("Alarms on").wait_for()
    page.get_by_text(
        "CUSUM, in standard deviations, of: share of coins", exact=False
    ).first.wait_for()
    page.screenshot(path=tmp_path / "monitor.png", full_page=True)
