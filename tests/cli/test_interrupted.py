"""Ctrl-C during a run: how it is resumed, no process left, and nothing half written."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.ci_script import ROOT
from tests.cli.command import COMMAND, ENV, run

COINS = ",".join(sorted(path.stem for path in (ROOT / "data").glob("*.csv"))[5:23])

KINDS = {
    "forecast": ("--model", "ridge", "--model", "naive", "--intervals", "--warmup", "400"),
    "backtest": ("--model", "ridge", "--origins", "6"),
    "tune": ("--model", "ridge", "--search", "ridge.alpha=1,10,100", "--origins", "6"),
}
"""Options by which a run takes seconds."""

PLACES = {"in this process": (), "on a local cluster": ("--workers", "1")}


def interrupted(out: Path | None, *words: str) -> subprocess.CompletedProcess[str]:
    """Start a command, press Ctrl-C once its run has begun, and wait for it and its children."""
    process = subprocess.Popen(
        [*COMMAND, *words, *([] if out is None else ["--out", str(out)])],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV, cwd=ROOT,
        start_new_session=True,
        # A shell gives its background jobs an ignored SIGINT, which would be inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        if out is None:
            assert process.stderr is not None
            while "dashboard" not in process.stderr.readline():
                assert process.poll() is None
        else:
            while not (out / "_plan.json").exists():
                assert process.poll() is None
                time.sleep(0.01)
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the job
        written, errors = process.communicate(timeout=60)
        assert psutil.wait_procs(children, timeout=20)[1] == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return subprocess.CompletedProcess(words, process.returncode, written, errors)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_interrupted_says_how_it_is_resumed(
    kind: str, place: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = (kind, "data", "--coins", COINS, *KINDS[kind], *PLACES[place])
    ended = interrupted(out, *words)
    assert ended.returncode == 130, ended.stderr
    assert ("on this machine" in ended.stderr) is (place == "on a local cluster"), ended.stderr
    assert f"`cryptodask resume {out}` continues it" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    resumed = run("resume", out)
    assert resumed.returncode == 0, resumed.stderr
    # Drafts of what was interrupted are gone, and what is there is the result.
    assert not [path.name for path in out.glob(".*") if "lock" not in path.name]
    assert "whole already" in run("resume", out).stdout


@pytest.mark.slow
def test_a_run_without_a_folder_says_that_nothing_is_kept() -> None:
    ended = interrupted(None, "backtest", "data", *KINDS["backtest"], "--workers", "1")
    assert ended.returncode == 130, ended.stderr
    assert "nothing more was written" in ended.stderr
    assert "--out FOLDER can be continued" in ended.stderr
    assert "Traceback" not in ended.stderr
