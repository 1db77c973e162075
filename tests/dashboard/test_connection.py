"""Pages whose server goes and comes back."""

import socket
from pathlib import Path
from typing import Any

import pytest
from dask.distributed import Client

from cryptodask.cluster.events import RunLog
from tests.conftest import Cluster

SILENT = "The server has not answered since"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["crypto-runs", "crypto-forecasts"])
def test_a_page_says_since_when_a_server_is_silent_and_comes_back_with_it(
    tmp_path: Path, chromium: Any, path: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
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
