"""Tables of prices and forecasts to draw, and a real browser to draw them in."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

NOW = pd.Timestamp("2026-05-31")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Tables = tuple[pd.DataFrame, pd.DataFrame]
MakeTables = Callable[..., Tables]


def random_tables(
    coins: Sequence[str],
    models: Sequence[str] = ("linear", "naive"),
    *,
    days: int = 200,
    horizon: int = 10,
    levels: Sequence[str] = (),
    seed: int = 0,
) -> Tables:
    """Random walks of very different prices, and any forecasts of them."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range(end=NOW, periods=days)
    ahead = pd.date_range(NOW, periods=horizon + 1)[1:]
    prices, forecasts = [], []
    for coin in coins:
        close = 10 ** rng.uniform(-6, 5) * np.exp(rng.normal(0, 0.03, days).cumsum())
        prices.append(pd.DataFrame({"coin": coin, "date": dates, "close": close}))
        for model in models:
            forecast = close[-1] * np.exp(rng.normal(0, 0.02, horizon).cumsum())
            rows = {"coin": coin, "model": model, "cutoff": NOW, "date": ahead}
            rows |= {"step": np.arange(1, horizon + 1), "forecast": forecast}
            for level in levels:
                width = int(level) / 1000
                rows |= {f"lower_{level}": forecast * (1 - width)}
                rows |= {f"upper_{level}": forecast * (1 + width)}
            forecasts.append(pd.DataFrame(rows))
    return pd.concat(prices, ignore_index=True), pd.concat(forecasts, ignore_index=True)


@pytest.fixture(scope="session")
def make_tables() -> MakeTables:
    return random_tables


def _unavailable(reason: str) -> None:
    """Skip a test for want of a browser, but not where there has to be one."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


# Not for the whole session: Playwright keeps an event loop running in this thread meanwhile,
# and other tests want to start their own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _unavailable("the browser tests need Playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        _unavailable(f"the browser tests need one of {', '.join(names)} on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def open_url(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open an address in a tab that must stay quiet: no error, no dialog, no request elsewhere."""
    noise: list[str] = []
    pages = []

    def note_request(request: Any, allowed: str) -> None:
        if not request.url.startswith(allowed):
            noise.append(f"request of {request.url}")

    def note_message(message: Any) -> None:
        if message.type in ("error", "warning"):
            noise.append(f"console {message.type}: {message.text}")

    def note_dialog(dialog: Any) -> None:
        noise.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open_one(url: str, allowed: str) -> Any:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(60_000)
        page.on("request", lambda request: note_request(request, allowed))
        page.on("console", note_message)
        page.on("dialog", note_dialog)
        page.on("pageerror", lambda error: noise.append(f"exception: {error}"))
        page.goto(url)
        page.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.close()
    assert noise == []


@pytest.fixture
def open_page(open_url: Callable[..., Any]) -> Callable[[Path], Any]:
    """Open a file in a tab that must stay quiet and make no other request."""
    return lambda path: open_url(path.as_uri(), path.as_uri())
