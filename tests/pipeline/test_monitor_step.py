"""The monitor as the last step of a day, end to end: limits from a backtest, days, an alarm."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
import pytest
from distributed import Client
from prometheus_client.parser import text_string_to_metric_families

from cryptodask.errors import CryptoDaskError, InputError, SourceError
from cryptodask.pipeline.acting import judge, keep
from cryptodask.pipeline.day import Day, groups_of
from cryptodask.pipeline.forecasting import check, groups, know, send
from cryptodask.pipeline.monitor.reference import read_reference, write_reference
from cryptodask.pipeline.monitor.step import monitor
from cryptodask.pipeline.polling import poll
from cryptodask.pipeline.settings import read_settings
from cryptodask.pipeline.steps import is_complete, run_day
from cryptodask.prices import import_prices
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.registry import train
from cryptodask.runs import backtest
from cryptodask.store import open_store
from cryptodask.store.monitoring import MonitorStore
from tests.cli.command import inside
from tests.conftest import Cluster, write_folder

TEXT = """
[prices]
table = "table"
folder = "new"
[forecast]
models = ["ridge"]
horizon = 1
groups = 2
scheduler = "{address}"
[check]
max_age = 1000
[monitor]
reference = "usual.json"
webhook = "{url}"
prometheus = "monitor.prom"
"""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """A server that keeps what is posted to it."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    server.server_close()


@pytest.fixture
def prices() -> pd.DataFrame:
    return synthetic_prices(6, 330, seed=3)


@pytest.fixture
def file(
    tmp_path: Path, cluster: Cluster, prices: pd.DataFrame, receiver: tuple[str, list[Any]]
) -> Path:
    """The settings of a pipeline whose monitor has learned what is usual."""
    write_folder(tmp_path / "new", prices)
    path = tmp_path / "pipeline.toml"
    path.write_text(TEXT.format(address=cluster.address, url=receiver[0]))
    before = prices[prices["date"] < prices["date"].max() - pd.Timedelta(days=3)]
    with Client(cluster.address) as client:
        backtest(
            before, ["ridge"], 1, origins=150, step=1, out=tmp_path / "usual", client=client,
            progress=False,
        )  # fmt: skip
    learned = inside("monitor", "learn", tmp_path / "usual", "--out", tmp_path / "usual.json")
    assert learned.returncode == 0, learned.stderr
    return path


def test_days_end_with_a_check_and_a_feed_that_stopped_with_an_alarm(
    file: Path, prices: pd.DataFrame, receiver: tuple[str, list[Any]], tmp_path: Path
) -> None:
    last = prices["date"].max()
    days = [f"{last + pd.Timedelta(days=n):%Y-%m-%d}" for n in (-1, 0, 1)]
    for day in days[:2]:
        done = inside("pipeline", "run", "--settings", file, "--date", day)
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(done.stdout.splitlines()[-1])
        assert (report["step"], report["state"], report["alarms"]) == ("monitor", "done", [])
    assert report["numbers"]["coverage_80"] is not None
    assert receiver[1] == [], "nothing is posted where there is no alarm"

    # A day for which no price came.
    done = inside("pipeline", "run", "--settings", file, "--date", days[2])
    assert done.returncode == 3
    assert "not complete: monitor: alarm" in done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["state"] == "alarm"
    assert any("freshness is 1, above 0" in alarm for alarm in report["alarms"])
    again = inside("pipeline", "monitor", "--settings", file, "--date", days[2])
    assert again.returncode == 3
    assert json.loads(again.stdout) == report | {"new": 0}
    with open_store(tmp_path / "cryptodask.db") as store:
        alerts = store.alerts()
    assert alerts[alerts["kind"] == "freshness"]["subject"].tolist() == [days[2]]
    assert [post["day"] for post in receiver[1]] == [days[2]] * 2
    families = {
        family.name: family
        for family in text_string_to_metric_families((tmp_path / "monitor.prom").read_text())
    }
    alarmed = {s.labels["measure"]: s.value for s in families["cryptodask_monitor_alarm"].samples}
    assert alarmed["freshness"] == 1


def test_what_the_monitor_can_not_do_is_said_and_stops_no_group(
    file: Path, prices: pd.DataFrame
) -> None:
    settings = read_settings(file)
    assert settings.monitor is not None
    date = f"{prices['date'].max():%Y-%m-%d}"
    nobody = attrs.evolve(settings.monitor, webhook="http://127.0.0.1:9/secret")
    strict = attrs.evolve(nobody, reference=str(file.parent / "none.json"))
    reports = run_day(Day(attrs.evolve(settings, monitor=strict), date), foreground=True)
    (failed,) = [r for r in reports if r["state"] == "failed"]
    assert failed["step"] == "monitor"
    assert "none.json: is missing; `cryptodask monitor learn`" in failed["error"]
    assert not is_complete(reports)
    assert sum(r.get("rows", 0) for r in reports if r["step"] == "store") == 6
    # Numbers are kept before anything is posted.
    later = f"{prices['date'].max() + pd.Timedelta(days=1):%Y-%m-%d}"
    with pytest.raises(CryptoDaskError, match=r"webhook at 127\.0\.0\.1.*freshness") as caught:
        monitor(Day(attrs.evolve(settings, monitor=nobody), later))
    assert "secret" not in str(caught.value)
    with MonitorStore(settings.store) as store:
        assert pd.Timestamp(later) in set(store.numbers()["day"])
    other = attrs.evolve(settings.forecast, models=["naive"])
    with pytest.raises(InputError, match=r"is of model ridge, which is none of forecast\.models"):
        monitor(Day(attrs.evolve(settings, forecast=other), date))
    without = monitor(Day(attrs.evolve(settings, monitor=None), date))
    assert (without["state"], without["why"]) == (
        "nothing", "the settings have no section monitor, so that nothing watches the days",
    )  # fmt: skip


def test_a_day_whose_prices_can_not_be_polled_is_watched_too(
    file: Path, prices: pd.DataFrame
) -> None:
    settings = read_settings(file)
    last = prices["date"].max()
    run_day(Day(settings, f"{last:%Y-%m-%d}"), foreground=True)
    gone = attrs.evolve(settings.prices, folder=str(file.parent / "gone"))
    reports: list[dict[str, Any]] = []
    with pytest.raises(SourceError, match="gone: does not exist"):
        run_day(
            Day(attrs.evolve(settings, prices=gone), f"{last + pd.Timedelta(days=1):%Y-%m-%d}"),
            on_report=reports.append,
        )
    assert [(r["step"], r["state"]) for r in reports] == [
        ("trade", "nothing"), ("monitor", "alarm"),
    ]  # fmt: skip


def test_a_reference_of_many_more_coins_is_an_alarm(file: Path, prices: pd.DataFrame) -> None:
    settings = read_settings(file)
    reference = read_reference(file.parent / "usual.json")
    write_reference(attrs.evolve(reference, coins=100.0), file.parent / "usual.json")
    last = prices["date"].max()
    run_day(Day(settings, f"{last - pd.Timedelta(days=1):%Y-%m-%d}"), foreground=True)
    reports = run_day(Day(settings, f"{last:%Y-%m-%d}"), foreground=True)
    assert reports[-1]["numbers"]["coverage_80"] is None
    assert reports[-1]["alarms"] == [
        "ridge: coins is 6, below 50: coins with a forecast and a close, without which the day has "
        "no other numbers"
    ]


def test_a_store_without_forecasts_of_the_model_is_said(file: Path, tmp_path: Path) -> None:
    with MonitorStore(tmp_path / "cryptodask.db") as store:
        store.add_actuals(pd.DataFrame({"coin": ["A"], "date": [pd.Timestamp("2026-01-01")],
                                        "close": [1.0]}).astype({"date": "M8[s]"}))  # fmt: skip
    with pytest.raises(InputError, match=r"no forecast of ridge at step 1 .*it has .*no model"):
        monitor(Day(read_settings(file), "2026-01-01"))


def test_the_age_of_a_version_of_a_registry_is_a_gauge_and_an_alarm(
    file: Path, cluster: Cluster, prices: pd.DataFrame, tmp_path: Path
) -> None:
    # Days to come, since a version can't be trained in the past.
    ahead = pd.Timestamp.now("UTC").tz_localize(None).normalize() + pd.Timedelta(days=100)
    prices = prices.assign(date=prices["date"] + (ahead - prices["date"].max()))
    import_prices(prices, tmp_path / "table", options=ReadOptions(policies={"future_date": "keep"}))
    with Client(cluster.address) as client:
        train(
            tmp_path / "table", "ridge", registry=tmp_path / "models", name="ridge", horizon=1,
            client=client, progress=False,
        )  # fmt: skip
    settings = read_settings(file)
    forecast = attrs.evolve(
        settings.forecast, models=[], versions=["ridge:1"], registry=str(tmp_path / "models")
    )
    day = Day(attrs.evolve(settings, forecast=forecast), f"{ahead:%Y-%m-%d}")
    for name in groups(day)["groups"]:
        check(day, name)
        send(day, name, foreground=True)
        judge(day, name)
        keep(day, name)
    report = monitor(day)
    assert report["state"] == "alarm"
    assert 99 <= report["numbers"]["version_age"] <= 101
    assert any("version_age is" in alarm for alarm in report["alarms"])
    gauges = (tmp_path / "monitor.prom").read_text()
    assert 'cryptodask_monitor_value{measure="version_age",model="ridge"} ' in gauges
    lenient = attrs.evolve(settings.monitor, age=1000.0)  # type: ignore[type-var]
    assert monitor(Day(attrs.evolve(day.settings, monitor=lenient), day.date))["state"] == "done"


def test_checks_of_many_groups_that_read_the_table_once_decide_the_same(
    file: Path, tmp_path: Path
) -> None:
    settings = read_settings(file)
    each = attrs.evolve(settings.forecast, groups=0)
    date = "2026-05-01"
    one = Day(attrs.evolve(settings, forecast=each), date)
    poll(one)
    other = attrs.evolve(one, settings=attrs.evolve(one.settings, runs=str(tmp_path / "other")))
    known = know(one)
    names = groups(one)["groups"]
    assert names == list(groups_of([c for coins in known.groups.values() for c in coins], 0))
    assert [check(one, name, known) for name in names] == [check(other, name) for name in names]
