"""Imports by two processes: the same table as by one, whatever becomes of the second."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from cryptodask.errors import PolicyError
from cryptodask.prices import CryptoLoader, PriceTable, import_prices, second_process
from cryptodask.prices.clean.policies import check_policies
from cryptodask.prices.partition import ROWS_PER_PARTITION
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.second_process import SecondProcess
from cryptodask.prices.synthetic import synthetic_prices
from tests.conftest import write_folder

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2 if hasattr(os, "sched_getaffinity") else True,
    reason="needs a second core",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of some rows more than are read at once, some of them odd."""
    prices = synthetic_prices(24, 2_000, seed=3)
    assert len(prices) < ROWS_PER_PARTITION
    folder = write_folder(tmp_path_factory.mktemp("large") / "files", prices)
    (folder / "Odd.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-01,2\n2024-01-02,-\n")
    (folder / "None.csv").write_text("no,prices\n1,2\n")
    return folder


@pytest.fixture
def pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small folders are large, and few rows are read at once."""
    monkeypatch.setattr(second_process, "LARGE", 0)
    monkeypatch.setattr("cryptodask.prices.importing.ROWS_PER_PARTITION", 6_000)


def content(table: PriceTable) -> list[pd.DataFrame]:
    return [CryptoLoader(table.path).get_df(), table.findings()]


@pytest.fixture(scope="module")
def by_one(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame]:
    """What one process imports."""
    assert not second_process.pays_for(folder)
    return content(import_prices(folder, tmp_path_factory.mktemp("one") / "table"))


def check_same(table: PriceTable, by_one: list[pd.DataFrame]) -> None:
    for ours, theirs in zip(content(table), by_one, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


def children() -> list[psutil.Process]:
    return [
        child for child in psutil.Process().children()
        if "cryptodask.prices.second_process" in child.cmdline()
    ]  # fmt: skip


@pytest.mark.usefixtures("pays")
def test_two_processes_import_what_one_does(
    folder: Path, by_one: list[pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = []
    ask = SecondProcess._ask
    monkeypatch.setattr(
        SecondProcess, "_ask", lambda self, *args: asked.append(ask(self, *args)) or asked[-1]
    )
    check_same(import_prices(folder, tmp_path / "table"), by_one)
    assert len(asked) >= 3
    assert all(error is None for _, error in asked)
    assert children() == []


@pytest.mark.usefixtures("pays")
def test_a_process_that_is_killed_costs_nothing_but_time(
    folder: Path, by_one: list[pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ask, killed = SecondProcess._ask, []

    def dies(self: SecondProcess, *args: object) -> object:
        if not killed:
            killed.extend(children())
            os.kill(killed[0].pid, signal.SIGKILL)
        return ask(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(SecondProcess, "_ask", dies)
    check_same(import_prices(folder, tmp_path / "table"), by_one)
    assert killed


@pytest.mark.usefixtures("pays")
def test_without_a_process_that_starts_all_is_read_here(
    folder: Path, by_one: list[pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    check_same(import_prices(folder, tmp_path / "table"), by_one)


@pytest.mark.usefixtures("pays")
def test_what_is_to_fail_fails_as_with_one_process_and_leaves_none(folder: Path, tmp_path: Path):
    options = ReadOptions(policies=check_policies({"conflicting_row": "fail"}))
    with pytest.raises(PolicyError, match=r"Odd\.csv"):
        import_prices(folder, tmp_path / "table", options=options)
    assert children() == []
    assert not (tmp_path / "table").exists()


SCRIPT = """
import sys
from cryptodask.prices import import_prices, second_process
import cryptodask.prices.importing as importing
print("once", flush=True)
second_process.LARGE, importing.ROWS_PER_PARTITION = 0, 6_000
import_prices(sys.argv[1], sys.argv[2])
print("done", flush=True)
"""


def test_a_script_without_a_guard_runs_once_and_prints_what_it_prints(folder: Path, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder), str(tmp_path / "table")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout, done.stderr) == ("once\ndone\n", "")


def test_the_process_ends_with_the_one_that_started_it(folder: Path, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder), str(tmp_path / "table")]
    started = subprocess.Popen(command, stdout=subprocess.PIPE)
    until = time.monotonic() + 60
    while not (there := psutil.Process(started.pid).children()):
        assert time.monotonic() < until
        time.sleep(0.01)
    started.kill()
    started.communicate()
    _, alive = psutil.wait_procs(there, timeout=30)
    assert not alive
