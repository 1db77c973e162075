"""Pages whose server goes and comes back."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dask.distributed import Client

from cryptodask.cluster.events import RunLog
from tests.conftest import Cluster

SILENT = "The server has not answered since"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("path", ["crypto-runs", "crypto-forecasts"])
def test_a_page_says_since_when_a_server_is_silent_and_comes_back_with_it(
    tmp_path: Path, chromium: Any, path: str
) -> None:
    port = free_port()
    options = "--preload", "cryptodask.dashboard", "--dashboard-address", f"127.0.0.1:{port}"
    page = chromium.new_page()
    page.set_default_timeout(60_000)
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        cluster = Cluster(tmp_path / place, *options)
        try:
            with Client(cluster.address) as client:
                if place == "first":
                    page.goto(f"http://127.0.0.1:{port}/{path}")
                    page.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
                with RunLog(client, "forecast", [place], ["a", "b"], horizon=1):
                    page.get_by_text(f"forecast · {place} · running").first.wait_for(
                        state="attached"
                    )
                    page.get_by_text(SILENT).wait_for(state="hidden")
        finally:
            cluster.stop()
        page.get_by_text(SILENT).wait_for()
    page.close()


@contextmanager
def dashboard_of(path: Path, port: int) -> Iterator[None]:
    """Run ``cryptodask dashboard`` at a port in this block, and end it as a crash would."""
    command = [sys.executable, "-m", "cryptodask.cli", "dashboard", str(path), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("dashboard: ")
            yield
        finally:
            process.kill()


@pytest.mark.slow
def test_a_page_without_a_cluster_says_so_too_and_can_be_used_again(
    small_folder: Path, chromium: Any
) -> None:
    port, page = free_port(), chromium.new_page()
    page.set_default_timeout(60_000)
    caption = page.get_by_text(re.compile("^Closes to"))
    with dashboard_of(small_folder, port):
        page.goto(f"http://127.0.0.1:{port}/")
        caption.wait_for()
        assert page.get_by_text(SILENT).is_hidden()
    page.get_by_text(re.compile(rf"{SILENT} \d+:\d+:\d+")).wait_for()
    assert caption.is_visible()  # what was shown stays
    with dashboard_of(small_folder, port):
        page.get_by_text(SILENT).wait_for(state="hidden")
        caption.wait_for()
        name = page.get_by_label("Coin").evaluate("select => select.options[3].value")
        page.get_by_label("Coin").select_option(name)
        page.locator(".coin_heading").get_by_text(name, exact=True).wait_for()
    page.close()
