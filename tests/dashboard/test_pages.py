"""The pages on a real scheduler's dashboard, in a real browser, while runs go on."""

import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bokeh.document import Document
from dask.distributed import Client

from cryptodask.cluster.events import RunLog
from cryptodask.dashboard.serve import page_of
from cryptodask.manager import CryptoManager
from cryptodask.results import Forecasts
from cryptodask.text import counted
from tests.conftest import Cluster, running

HOSTILE = "<script>alert(1)</script>"
LABEL = "<b>bold</b>"
PATHS = ("crypto-runs", "crypto-forecasts", "crypto-scores", "crypto-days")


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with our pages, and a worker."""
    preload = "--preload", "cryptodask.dashboard"
    with running(tmp_path_factory.mktemp("paged"), *preload, workers=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory, small_prices: pd.DataFrame) -> Path:
    """Prices of coins with names that would do harm if they were taken for HTML."""
    rows = small_prices["coin"].value_counts()
    # The shortest one fails.
    named = small_prices.replace({"coin": {rows.index[-1]: LABEL, rows.index[0]: HOSTILE}})
    folder = tmp_path_factory.mktemp("hostile")
    named.to_csv(folder / "all.csv", index=False)
    return folder


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def scrape(cluster: Cluster) -> dict[str, float]:
    lines = fetch(f"{cluster.dashboard}/metrics").splitlines()
    rows = [line.rpartition(" ") for line in lines if line.startswith("cryptodask_")]
    return {name: float(value) for name, _, value in rows}


@pytest.mark.slow
def test_pages_show_runs_while_they_go_on(
    paged: Cluster, hostile_folder: Path, open_url: Callable[..., Any], tmp_path: Path
) -> None:
    base = paged.dashboard
    with Client(paged.address) as client:
        client.wait_for_workers(1, timeout=60)
        manager = CryptoManager(hostile_folder, client)
        pages = {path: open_url(f"{base}/{path}", base) for path in PATHS}
        for page in pages.values():
            links = page.locator("nav a").evaluate_all("all => all.map(a => a.pathname)")
            assert {f"/{other}" for other in (*PATHS, "status", "workers")} <= set(links)
            assert page.locator("nav a[aria-current=page]").count() == 1
        pages["crypto-days"].get_by_text("This scheduler knows no store").wait_for()
        pages["crypto-runs"].get_by_text("No run since this scheduler started").wait_for()

        # The browser is this thread's, so the run is another's.
        done: list[Forecasts] = []
        models = ["naive", "ridge"]
        run = threading.Thread(
            target=lambda: done.append(manager.forecast(models, 7, progress=False))
        )
        run.start()
        pages["crypto-runs"].get_by_text("7 bars ahead").wait_for()
        run.join()
        manager.backtest(["drift"], 5, origins=3, calibrate=0, progress=False)
        check_runs(pages["crypto-runs"], done[0].failures)
        check_forecasts(pages["crypto-forecasts"])
        scores = pages["crypto-scores"].locator(".slick-row")
        scores.get_by_text("drift").wait_for()
        wait_for_count(scores, 2)
        # One that the workers wrote to a folder is scored by who looks.
        manager.backtest(["linear"], 5, origins=3, calibrate=0, out=tmp_path / "b", progress=False)
        scores.get_by_text("linear").wait_for()
        doc = Document()
        page_of(tmp_path / "b")(doc)
        assert doc.roots

        # Dask's own pages have one link to ours, which leads to the page of runs.
        assert '<a href="cryptodask">CryptoDask</a>' in fetch(f"{base}/workers")
        assert "crypto-" not in fetch(f"{base}/workers")
        assert fetch(f"{base}/cryptodask") == fetch(f"{base}/crypto-runs")
        check_metrics(scrape(paged), done[0])


def wait_for_count(rows: Any, count: int) -> None:
    from playwright.sync_api import expect

    expect(rows).to_have_count(count, timeout=60_000)


def check_runs(page: Any, failures: pd.DataFrame) -> None:
    """Two runs, both at their end; the failures of the one that is chosen, as text."""
    forecast = page.locator(".slick-row", has_text="naive, ridge").first
    forecast.get_by_text("ended").wait_for()
    forecast.click()
    page.locator(".summary").get_by_text("7 bars ahead").wait_for()
    # The rows of its failures come after the summary.
    failed = page.locator(".slick-row", has_text=re.compile("SeriesError|TooShortError"))
    wait_for_count(failed, len(failures))
    page.locator(".slick-cell", has_text=LABEL).first.wait_for()
    assert page.locator(".slick-cell b").count() == 0


def check_forecasts(page: Any) -> None:
    """The coin whose name would do harm is found, drawn, and named in text."""
    page.get_by_label("Find").press_sequentially("<script")
    page.locator(".coin_heading").get_by_text(HOSTILE, exact=True).wait_for()
    page.locator(".coin_caption").get_by_text("Cutoff").wait_for()
    drawn = "['history', 'ahead'].map((name) => source(name).data.date.length)"
    find = "const source = (name) => Bokeh.documents[0].get_model_by_name(name)"
    lengths = page.evaluate(f"() => {{ {find}; return {drawn} }}")
    assert lengths == [90, 8]  # the line starts at the last close
    assert page.locator("script", has_text="alert(1)").count() == 0


def check_metrics(counts: dict[str, float], done: Forecasts) -> None:
    assert counts['cryptodask_runs_started_total{kind="forecast"}'] == 1
    assert counts['cryptodask_runs_ended_total{kind="backtest",state="ended"}'] == 2
    table = done.get_df()
    coins = table[table["model"] == "ridge"]["coin"].nunique()
    assert counts['cryptodask_coins_forecast_total{model="ridge"}'] == coins
    failed = (done.failures["model"] == "ridge").sum()
    assert counts['cryptodask_coins_failed_total{model="ridge"}'] == failed
    assert counts['cryptodask_model_seconds_total{model="ridge",stage="fit"}'] > 0


SPY = """
async (base) => {
  const seen = {}
  try {
    const answer = await fetch(`${base}/crypto-forecasts/autoload.js?bokeh-autoload-element=x`)
    seen.token = /"token":"([^"]+)"/.exec(await answer.text())[1]
  } catch {}
  const ours = ["crypto-runs/stream", "crypto-forecasts/ws", "crypto-scores/ws"]
  for (const path of [...ours, "status/ws"]) {
    const url = `${base.replace("http", "ws")}/${path}`
    const socket = new WebSocket(url, path.endsWith("/ws") ? ["bokeh", seen.token ?? "none"] : [])
    seen[path] = await new Promise((resolve) => {
      socket.onmessage = () => resolve("message")
      socket.onclose = () => resolve("closed")
    })
    socket.close()
  }
  return seen
}
"""
"""Asks for a token of a session, and tries sockets with it; returns what came of each."""


@pytest.mark.slow
def test_a_page_of_another_server_in_the_same_browser_gets_nothing(
    paged: Cluster, chromium: Any, open_url: Callable[..., Any], tmp_path: Path
) -> None:
    base = paged.dashboard
    page = open_url(f"{base}/crypto-forecasts", base)
    page.get_by_text("forecast").first.wait_for()
    seen = page.evaluate(SPY, base)
    assert seen.pop("token")
    assert set(seen.values()) == {"message"}, seen

    (tmp_path / "evil.html").write_text("<title>evil</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        stranger = chromium.new_page()
        try:
            stranger.goto(f"http://127.0.0.1:{server.server_port}/evil.html")
            seen = stranger.evaluate(SPY, base)
        finally:
            stranger.close()
            server.shutdown()
    assert "token" not in seen
    assert set(seen.values()) == {"closed"}, seen


@pytest.mark.slow
def test_every_click_chooses_its_run_while_the_table_changes(
    tmp_path: Path, open_url: Callable[..., Any]
) -> None:
    cluster = Cluster(tmp_path, "--preload", "cryptodask.dashboard")
    over = threading.Event()
    try:
        with Client(cluster.address) as client, ExitStack() as stack:
            coins = [f"coin {n}" for n in range(10_000)]
            logs = {
                f"model {k}": stack.enter_context(
                    RunLog(client, "forecast", [f"model {k}"], coins, horizon=k)
                )
                for k in (1, 2, 3)
            }

            def go_on() -> None:
                for coin in coins:
                    for model, log in logs.items():
                        log.ended(model, [coin])
                    if over.wait(0.05):
                        return

            runs = threading.Thread(target=go_on)
            runs.start()
            try:
                page = open_url(f"{cluster.dashboard}/crypto-runs", cluster.dashboard)
                for n in range(20):
                    k = 1 + n % 3
                    if n == 10:  # rows move, and the place of the last click is another run's
                        RunLog(client, "forecast", ["late"], coins, 9).__enter__()
                        page.get_by_text("late", exact=True).first.wait_for()
                    row = page.locator(".slick-row", has_text=f"model {k}").first
                    # Longer than it takes until the row is drawn anew.
                    row.locator(".slick-cell").nth(3).click(delay=0 if n % 4 else 1_500)
                    page.locator(".summary").get_by_text(f" {counted(k, 'bar')} ahead").wait_for()
            finally:
                over.set()
                runs.join()
    finally:
        cluster.stop()


@pytest.mark.slow
def test_a_preload_that_fails_says_so_loudly(tmp_path: Path) -> None:
    # Twice on one scheduler: the second finds the first.
    cluster = Cluster(
        tmp_path, "--preload", "cryptodask.dashboard", "--preload", "import cryptodask.dashboard\n"
        "dask_setup = lambda s: cryptodask.dashboard.dask_setup.callback(s, False)",
    )  # fmt: skip
    cluster.stop()
    log = (tmp_path / "scheduler.log").read_text()
    assert "there will be NO pages of CryptoDask" in log
    assert "Traceback" in log
