"""All pages: nothing that keeps readers out (axe-core), no scrolling sideways, dark on demand."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dask.distributed import Client

from cryptodask import dashboard
from cryptodask.charts.theme import DARK, LIGHT
from cryptodask.cluster.events import RunLog
from cryptodask.dashboard.app import PAGES, TAB_PATH
from cryptodask.dashboard.coverage import save_report
from cryptodask.dashboard.days_page import save_days
from cryptodask.dashboard.days_view import read_days
from cryptodask.dashboard.leaderboard import save_leaderboard
from cryptodask.dashboard.plot import save_plot
from cryptodask.dashboard.trading_page import save_trading
from cryptodask.manager import CryptoManager
from cryptodask.pipeline.replay import replay_days
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.findings import file_finding, join_findings, summarize_findings
from cryptodask.prices.coverage import measure_coverage
from cryptodask.results import open_backtest
from cryptodask.store.monitoring import MonitorStore
from cryptodask.trading import simulate
from tests.conftest import Cluster, running
from tests.dashboard.test_serve import Serve, served  # noqa: F401

PATHS = (TAB_PATH, *PAGES)
WIDTHS = (375, 1280, 1440)

STEADY = """() => {
  const height = document.documentElement.scrollHeight, now = performance.now()
  if (height !== globalThis.height) Object.assign(globalThis, {height, since: now})
  return now - since > 300 && !document.body.innerText.includes("Reading the store")
}"""
"""In the browser: whether what a server sends after the page has come."""


def luminance(color: str) -> float:
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_all_that_is_behind_it(colors: dict[str, str]) -> None:
    for text in ("ink", "muted", "link", "warning"):
        for behind in ("paper", "desk"):
            low, high = sorted(luminance(colors[name]) for name in (text, behind))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, behind)


@dataclass
class Results:
    """What pages show, made by the package itself.

    Attributes
    ----------
    prices, forecasts, backtest : Path
        Folders.
    store : Path
        Of days that were played again, with numbers of a monitor.
    """

    prices: Path
    forecasts: Path
    backtest: Path
    store: Path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, small_folder: Path) -> Results:
    """Return folders and a store of a few coins, one of which is too short for a model."""
    folder = tmp_path_factory.mktemp("results")
    with CryptoManager(small_folder) as manager:
        out = folder / "forecasts"
        manager.forecast(["naive", "ridge"], 5, intervals=True, out=out, progress=False)
        out = folder / "backtest"
        manager.backtest(["naive", "drift"], 5, origins=4, out=out, progress=False)
    for _ in replay_days(str(small_folder), folder / "replay", 2, coins=4, horizon=2, groups=1):
        pass
    store = folder / "replay" / "cryptodask.db"
    number = {"measure": "coverage_80", "least": 0.5, "most": 1.0}
    with MonitorStore(str(store)) as monitor:
        for day, value in (("2026-06-29", 0.75), ("2026-06-30", 0.25)):
            monitor.add_numbers(day, "naive", [number | {"value": value}])
    return Results(small_folder, folder / "forecasts", folder / "backtest", store)


def write_plot(file: Path, results: Results) -> None:
    with CryptoManager(results.prices) as manager:
        made = manager.forecast(["naive", "ridge"], 5, intervals=True, progress=False)
    save_plot(file, CryptoLoader(results.prices).get_df(), made.get_df())


def write_report(file: Path, results: Results) -> None:
    prices = CryptoLoader(results.prices).get_df()
    coins = sorted(set(prices["coin"]))
    coverage = measure_coverage([prices], coins, prices["date"].min(), prices["date"].max())
    findings = join_findings(file_finding("unreadable_file", str(i), "f", "why") for i in range(50))
    save_report(file, coverage, summarize_findings(findings), findings, "some coins")


def write_trading(file: Path, results: Results) -> None:
    backtest = open_backtest(results.backtest)
    save_trading(file, simulate(backtest, results.prices, ["drift:top=2", "drift:top=5,hold=3"]))


FILES: dict[Callable[..., None], Callable[[Path, Results], None]] = {
    save_plot: write_plot,
    save_report: write_report,
    save_leaderboard: lambda file, of: save_leaderboard(file, open_backtest(of.backtest)),
    save_days: lambda file, of: save_days(file, read_days(of.store)),
    save_trading: write_trading,
}
"""What writes a page to a file, and how it is called here."""


def test_every_page_that_is_a_file_is_looked_at() -> None:
    names = [module.name for module in pkgutil.iter_modules(dashboard.__path__)]
    modules = [importlib.import_module(f"{dashboard.__name__}.{name}") for name in names]
    found = {
        function
        for module in modules
        for name, function in vars(module).items()
        if name.startswith("save_") and function.__module__ == module.__name__
    }
    assert found == set(FILES)


def check(chromium: Any, urls: list[str]) -> None:
    """Look at pages at all widths, light and dark."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    for scheme, paper in (("light", LIGHT["paper"]), ("dark", DARK["paper"])):
        page = chromium.new_page(color_scheme=scheme)
        for url in urls:
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(url)
                page.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
                page.wait_for_function(STEADY)
                page.evaluate(axe)
                violations = page.evaluate("axe.run().then(({violations}) => violations)")
                grave = [v for v in violations if v["impact"] in ("serious", "critical")]
                where = url, scheme, width
                assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in grave] == [], where
                # Bokeh lays figures out anew some time after the window has changed.
                page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
            shown = page.locator("main").evaluate("e => getComputedStyle(e).backgroundColor")
            assert "#" + "".join(f"{int(n):02x}" for n in re.findall(r"\d+", shown)) == paper
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("save", FILES, ids=lambda save: save.__name__)
def test_files_are_for_everyone(
    save: Callable[..., None], results: Results, tmp_path: Path, chromium: Any
) -> None:
    FILES[save](tmp_path / "page.html", results)
    check(chromium, [(tmp_path / "page.html").as_uri()])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["prices", "forecasts", "backtest", "store"])
def test_pages_of_a_path_are_for_everyone(
    what: str,
    served: Serve,  # noqa: F811
    results: Results,
    chromium: Any,
) -> None:
    check(chromium, [served(str(getattr(results, what)))])


def start_runs(client: Client, stack: ExitStack) -> None:
    """Start a forecast that has come some way, and a backtest that has not."""
    coins = [f"coin {i}" for i in range(12)]
    log = stack.enter_context(RunLog(client, "forecast", ["naive"], coins, horizon=7))
    stack.enter_context(RunLog(client, "backtest", ["naive", "drift"], coins, horizon=7))
    log.ended("naive", coins[:2])


def end_runs(client: Client, prices: Path) -> None:
    client.wait_for_workers(1, timeout=60)
    manager = CryptoManager(prices, client)
    manager.forecast(["naive", "ridge"], 7, progress=False, intervals=True)
    manager.backtest(["drift"], 5, origins=3, calibrate=0, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["empty", "running", "done"])
def test_pages_of_a_scheduler_are_for_everyone(
    state: str, results: Results, tmp_path: Path, chromium: Any
) -> None:
    preload = ["--preload", "cryptodask.dashboard"]
    preload += [] if state == "empty" else ["--store", str(results.store)]
    with ExitStack() as stack:
        cluster = stack.enter_context(running(tmp_path, *preload, workers=int(state == "done")))
        client = stack.enter_context(Client(cluster.address))
        if state == "running":
            start_runs(client, stack)
        elif state == "done":
            end_runs(client, results.prices)
        check(chromium, [f"{cluster.dashboard}/{path}" for path in PATHS])


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with our pages."""
    preload = "--preload", "cryptodask.dashboard"
    with running(tmp_path_factory.mktemp("looks"), *preload, workers=0) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_page_that_waits_says_for_what(
    paged: Cluster, small_folder: Path, open_url: Callable[..., Any]
) -> None:
    page = open_url(f"{paged.dashboard}/crypto-forecasts", paged.dashboard)
    page.get_by_text("No forecast since this scheduler started.").wait_for()
    page.get_by_label("Find").wait_for(state="hidden")
    scores = open_url(f"{paged.dashboard}/crypto-scores", paged.dashboard)
    scores.get_by_text("No backtest has ended").wait_for()
    assert scores.locator(".slick-header:visible").count() == 0
    runs = open_url(f"{paged.dashboard}/crypto-runs", paged.dashboard)
    runs.get_by_text("No run since this scheduler started.").wait_for()
    assert runs.locator(".slick-header:visible").count() == 0
    with Client(paged.address) as client:
        coins = [f"coin {i}" for i in range(12)]
        with RunLog(client, "forecast", ["naive"], coins, horizon=7) as log:
            page.get_by_text("forecast · naive · running, 0 of 12 yet").wait_for()
            log.ended("naive", coins[:2])
            page.get_by_text("forecast · naive · running, 2 of 12 yet").wait_for()
            runs.locator(".slick-row:visible", has_text="naive").first.wait_for()
        with RunLog(client, "backtest", ["drift"], coins, horizon=7):
            scores.get_by_text("Waiting for:").get_by_text("running, 0 of 12 yet").wait_for()


@pytest.mark.slow
def test_dask_shows_one_tab_on_one_line(paged: Cluster, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{paged.dashboard}/status")
    link = page.get_by_role("link", name="CryptoDask", exact=True)
    first = page.get_by_role("link", name="Status", exact=True).bounding_box()
    assert link.bounding_box()["y"] == first["y"]
    documentation = page.get_by_role("link", name="Documentation").bounding_box()
    assert documentation["y"] == first["y"]
    link.click()
    page.get_by_role("link", name="Forecasts", exact=True).click()
    assert page.url.endswith("/crypto-forecasts")
    page.close()
