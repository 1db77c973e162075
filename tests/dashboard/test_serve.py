"""The pages without a cluster: what they show, and to whom they listen."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cryptodask.dashboard.cache import view_of
from cryptodask.dashboard.result_files import source_in
from cryptodask.dashboard.serve import _entry, check_host, is_loopback, page_of, serve
from cryptodask.errors import InputError, OptionError, SourceError
from cryptodask.manager import CryptoManager
from cryptodask.prices import CryptoLoader
from cryptodask.prices.synthetic import synthetic_prices
from tests.cluster.security.test_origins import answer, handshake
from tests.conftest import write_folder
from tests.dashboard.conftest import MakeTables

Serve = Callable[..., str]
HOSTILE = "<script>alert(1)<_script>"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serve]:
    """Start ``cryptodask dashboard`` as a separate process; return its address."""
    running = []

    def start(*arguments: str) -> str:
        log = tmp_path / f"{len(running)}.log"
        command = [sys.executable, "-m", "cryptodask.cli", "dashboard", *arguments, "--port", "0"]
        with log.open("wb") as sink:
            running.append(subprocess.Popen(command, stdout=sink, stderr=sink))
        deadline = time.monotonic() + 60
        while "dashboard: " not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            assert running[-1].poll() is None, log.read_text()
            time.sleep(0.1)
        return log.read_text().partition("dashboard: ")[2].split()[0]

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


@pytest.mark.slow
def test_forecasts_and_prices_are_shown_without_a_cluster(
    served: Serve, open_url: Callable[..., Any], make_tables: MakeTables, tmp_path: Path
) -> None:
    prices, forecasts = make_tables(["Alpha", HOSTILE], levels=("80",))
    prices = prices.assign(open=prices["close"], high=prices["close"], low=prices["close"])
    prices = prices.assign(volume=1.0, market_cap=1.0)
    folder = write_folder(tmp_path / "prices", prices)
    forecasts.to_parquet(tmp_path / "forecasts.parquet")

    failures = {"coin": ["Beta"], "model": ["naive"], "exception": ["E"], "message": ["<i>why</i>"]}
    pd.DataFrame(failures).to_parquet(tmp_path / "forecasts.failures.parquet")

    url = served(str(tmp_path / "forecasts.parquet"), "--prices", str(folder))
    page = open_url(url, url)
    page.get_by_text("Cutoff 2026-05-31").wait_for()
    page.locator(".slick-row", has_text="Beta").get_by_text("<i>why</i>").wait_for()
    page.get_by_label("Coin").select_option("Alpha")
    page.locator(".coin_heading").get_by_text("Alpha", exact=True).wait_for()
    page.get_by_label("Find").press_sequentially("script")
    page.locator(".coin_heading").get_by_text(HOSTILE, exact=True).wait_for()
    assert page.locator("script", has_text="alert(1)").count() == 0

    url = served(str(folder))
    page = open_url(url, url)
    page.get_by_text("Closes to 2026-05-31").wait_for()
    page.get_by_label("Candles").click()  # the server takes what changes
    page.get_by_label("Log scale").click()
    page.get_by_role("button", name="Next").click()
    page.locator(".coin_heading").get_by_text("Alpha", exact=True).wait_for()


@pytest.mark.slow
def test_closes_stand_before_the_forecasts_of_a_run_without_being_asked_for(
    small_folder: Path, tmp_path: Path
) -> None:
    folder, out = shutil.copytree(small_folder, tmp_path / "prices"), tmp_path / "forecasts"
    with CryptoManager(folder) as manager:
        manager.forecast(["naive"], 7, out=out, progress=False)
    assert source_in(out) == str(folder)
    coin = CryptoLoader(folder).get_crypto_names()[0]
    entry = _entry(out, ("naive",), source_in(out), str(out))
    view, note = view_of(entry, coin)
    assert note == ""
    assert len(view.history.columns["close"])
    shutil.rmtree(folder)
    view, note = view_of(replace(entry, version=1), coin)
    assert note == f"the prices in {folder} are not visible to this server"
    assert len(view.ahead.columns["forecast_0"])


@pytest.mark.slow
def test_sockets_are_for_its_own_pages_and_those_of_origins(served: Serve, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "prices", synthetic_prices(2, 50))
    base = served(str(folder), "--origin", "dash.example").rstrip("/")
    for origin in (base, "https://dash.example"):
        assert handshake(base, "ws", Origin=origin) == 101
    for host in ("localhost:9000", "[::1]:9000", "dash.example"):  # by a tunnel or a proxy
        assert handshake(base, "ws", Origin=f"http://{host}", Host=host) == 101
    for origin in ("http://evil.example", "http://dash.example:9000", "http://localhost:9000"):
        assert handshake(base, "ws", Origin=origin) == 403
    evil = {"Origin": "http://evil.example", "Host": "evil.example"}
    assert handshake(base, "ws", **evil) == 403
    status, text = answer(base, "", **evil)
    assert (status, "--origin" in text) == (403, True)
    assert answer(base, "?bokeh-session-id=mine")[0] == 403


def test_an_origin_that_is_not_a_host_is_refused(small_folder: Path) -> None:
    with pytest.raises(OptionError, match=r"--origin 'https://dash\.example': must be HOST"):
        serve(small_folder, origins=["https://dash.example"])


def test_other_hosts_are_refused_unless_insisted_on(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        assert is_loopback(host)
        check_host(host, insecure=False)
    for host in ("0.0.0.0", "192.168.1.5", "::", "example.org", ""):
        with pytest.raises(OptionError, match="--insecure"):
            serve(tmp_path, host=host)
        check_host(host, insecure=True)


def test_what_can_not_be_shown_is_reported_before_a_server_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        page_of(tmp_path / "absent")
    with pytest.raises(SourceError):
        page_of(tmp_path)
