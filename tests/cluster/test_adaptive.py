"""Workers that come with the work and go after it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import psutil
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager
from cryptodask.cluster import close_local, local_client
from cryptodask.errors import OptionError
from cryptodask.models.base import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Waiting(Model):
    """The last close of each coin, once a file is there; workers import this module."""

    file: Path

    name: ClassVar[str] = "waiting"
    cost: ClassVar[float] = 1.0

    def min_length(self, horizon: int) -> int:
        """Return 1."""
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Wait, and return the last close of each coin."""
        deadline = time.monotonic() + 240
        while not self.file.exists():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.02)
        return np.repeat(panel.values[panel.indptr[1:] - 1][:, None], horizon, axis=1)


def count(client: Client) -> int:
    return len(client.scheduler_info(n_workers=-1)["workers"])


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.mark.slow
def test_workers_come_for_a_run_and_go_after_it(small_folder: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    models = ["ridge", Waiting(go)]
    loader = CryptoLoader(small_folder, 12)
    client = local_client((0, 4))
    try:
        assert count(client) == 0
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(CryptoManager(loader, client).forecast, models, progress=False)
            until(lambda: count(client) == 4, "so few workers come")
            go.touch()
            forecasts = asked.result(120).get_df()
        assert forecasts["coin"].nunique() == 12
        until(lambda: count(client) == 0, "idle workers stay")
    finally:
        close_local(client)
    with CryptoManager(loader, workers=1) as fixed:
        assert fixed.forecast(models, progress=False).get_df().equals(forecasts)


def workers_of(command: psutil.Process) -> set[int]:
    """Return the processes that a command has started, but Python's helper that starts them."""
    with suppress(psutil.NoSuchProcess):
        children = command.children(recursive=True)
        return {child.pid for child in children if "spawn_main" in " ".join(child.cmdline())}
    return set()


@pytest.mark.slow
def test_workers_come_and_go_with_a_command(small_folder: Path, tmp_path: Path) -> None:
    out, told = tmp_path / "forecasts.parquet", tmp_path / "told"
    words = ["forecast", small_folder, "--model", "linear", "--model", "ridge", "--partitions", 12,
             "--workers", "0:4", "--out", out]  # fmt: skip
    with told.open("wb") as file:
        run = subprocess.Popen(
            [sys.executable, "-m", "cryptodask.cli", *map(str, words)],
            stdout=file, stderr=file, env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip
    try:
        command = psutil.Process(run.pid)
        until(lambda: "dashboard: " in told.read_text(), "the cluster does not start")
        most, seen = 0, set[int]()
        deadline = time.monotonic() + 240
        while run.poll() is None:
            assert time.monotonic() < deadline
            now = workers_of(command)
            most, seen = max(most, len(now)), seen | now
            time.sleep(0.02)
    finally:
        run.kill()
    assert run.returncode == 3, told.read_text()  # the constant coin fails, as ever
    assert most == 4
    until(lambda: not any(map(psutil.pid_exists, seen)), "workers outlive the command")
    with CryptoManager(small_folder, workers=1) as fixed:
        expected = fixed.forecast(["linear", "ridge"], progress=False).get_df()
    written = pd.read_parquet(out).astype(expected.dtypes.to_dict())
    pd.testing.assert_frame_equal(written, expected, check_exact=True)


@pytest.mark.parametrize(
    ("workers", "said"),
    [((2, 1), "at least 2 and at most 1"), ((0, 0), "at least 1"), ((-1, 2), "got -1")],
)
def test_refuses_what_is_no_number_of_workers(workers: tuple[int, int], said: str):
    with pytest.raises(OptionError, match=said):
        local_client(workers)
