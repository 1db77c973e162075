"""All pages: nothing that keeps readers out (axe-core), no scrolling sideways, dark on demand."""

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dask.distributed import Client

from cryptodask.charts.theme import DARK, LIGHT
from cryptodask.cluster.events import RunLog
from cryptodask.dashboard.coverage import save_report
from cryptodask.dashboard.leaderboard import save_leaderboard
from cryptodask.dashboard.plot import save_plot
from cryptodask.manager import CryptoManager
from cryptodask.prices.clean.findings import file_finding, join_findings, summarize_findings
from cryptodask.prices.coverage import measure_coverage
from tests.conftest import Cluster, running
from tests.dashboard.conftest import MakeTables

PATHS = ("cryptodask", "crypto-forecasts", "crypto-scores", "crypto-days")
WIDTHS = (375, 1280, 1440)


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


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with our pages, and a worker."""
    preload = "--preload", "cryptodask.dashboard"
    with running(tmp_path_factory.mktemp("looks"), *preload, workers=1) as cluster:
        yield cluster


def check(chromium: Any, urls: list[str]) -> None:
    """Look at pages at all widths, light and dark."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    for scheme, paper in (("light", LIGHT["paper"]), ("dark", DARK["paper"])):
        page = chromium.new_page(color_scheme=scheme)
        for url in urls:
            page.goto(url)
            page.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
            page.evaluate(axe)
            violations = page.evaluate("axe.run().then(({violations}) => violations)")
            grave = [v for v in violations if v["impact"] in ("serious", "critical")]
            assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in grave] == [], (url, scheme)
            shown = page.locator("main").evaluate("e => getComputedStyle(e).backgroundColor")
            assert "#" + "".join(f"{int(n):02x}" for n in re.findall(r"\d+", shown)) == paper
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                # Bokeh lays figures out anew some time after the window has changed.
                page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
        page.close()


@pytest.mark.slow
def test_files_are_for_everyone(
    tmp_path: Path, make_tables: MakeTables, small_folder: Path, chromium: Any
) -> None:
    prices, forecasts = make_tables(["ada", "bnb"], levels=("80", "95"))
    ohlc = prices.assign(
        open=prices["close"], high=prices["close"], low=prices["close"], volume=1.0
    )
    save_plot(tmp_path / "plot.html", ohlc, forecasts)
    findings = join_findings(file_finding("unreadable_file", str(i), "f", "why") for i in range(50))
    coverage = measure_coverage(
        [prices], ["ada", "bnb"], prices["date"].min(), prices["date"].max()
    )
    save_report(
        tmp_path / "report.html", coverage, summarize_findings(findings), findings, "two coins"
    )
    with CryptoManager(small_folder) as manager:
        result = manager.backtest(["naive", "drift"], 5, origins=4, progress=False)
    save_leaderboard(tmp_path / "board.html", result)
    check(chromium, [path.as_uri() for path in sorted(tmp_path.glob("*.html"))])


@pytest.mark.slow
def test_pages_are_for_everyone_empty_running_and_done(
    paged: Cluster, small_folder: Path, chromium: Any, open_url: Callable[..., Any]
) -> None:
    urls = [f"{paged.dashboard}/{path}" for path in PATHS]
    check(chromium, urls)
    with Client(paged.address) as client:
        coins = [f"coin {i}" for i in range(12)]
        with RunLog(client, "forecast", ["naive"], coins, horizon=7) as log:
            page = open_url(urls[1], paged.dashboard)
            page.get_by_text("running, 0 of 12 yet").wait_for()
            log.ended("naive", coins[:2])
            page.get_by_text("running, 2 of 12 yet").wait_for()
            check(chromium, urls[:2])
        client.wait_for_workers(1, timeout=60)
        manager = CryptoManager(small_folder, client)
        manager.forecast(["naive"], 7, progress=False, intervals=True)
        manager.backtest(["drift"], 5, origins=3, calibrate=0, progress=False)
        page.locator(".coin_caption").get_by_text("Cutoff").wait_for()
        check(chromium, urls[:3])


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
