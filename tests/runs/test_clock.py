"""A clock that is set by a day, forwards or back, while a run is in progress.

A small library (``clock.c``) stands between processes and the clock of the machine, which stays as
it is. What counts seconds, the kernel's monotonic clock, is not touched, as it isn't where somebody
sets a clock. (libfaketime breaks waiting by that clock in Python: ``time.sleep`` raises.)
"""

import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Cluster, running
from tests.runs.commands import (
    ENV,
    KINDS,
    PATIENCE,
    Kind,
    assert_same_table,
    begun_files,
    finish,
    run,
    start,
)

DAY = 86_400

SetClock = Callable[[int], None]


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the clock of all processes that the test starts, by that many seconds."""
    library, shift = tmp_path / "clock.so", tmp_path / "shift"
    source = Path(__file__).with_name("clock.c")
    compile_ = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    try:
        subprocess.run(compile_, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"the library that moves clocks can't be made here: {error}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    for name, value in {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setitem(ENV, name, value)
    # Workers that were not heard of by the scheduler's clock are restarted; by default in 300 s.
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "30s")
    # Where a clock is set back, Dask's heartbeats pause until it is as late again. With less than a
    # worker takes to start, on a machine with other work, it would be ended again and again.
    monkeypatch.setitem(ENV, "DASK_CRYPTODASK__SILENCE__WORKER", "30s")

    def set_to(seconds: int) -> None:
        with shift.open("r+b" if shift.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    set_to(0)
    return set_to


@pytest.fixture
def slow_cluster(clock: SetClock, tmp_path: Path) -> Iterator[Cluster]:
    preload = str(Path(__file__).with_name("hurtful.py"))
    (tmp_path / "cluster").mkdir()
    with running(tmp_path / "cluster", workers=0) as cluster:
        for _ in range(2):
            cluster.add_worker("--preload", preload)
        yield cluster


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "jump"), [(KINDS[0], DAY), (KINDS[0], -DAY), (KINDS[1], -DAY)],
    ids=lambda given: {DAY: "forwards", -DAY: "back"}.get(given) or given.name,
)  # fmt: skip
def test_a_clock_that_is_set_changes_no_bit(
    kind: Kind, jump: int, clock: SetClock, source: Path, cluster: Cluster,
    slow_cluster: Cluster, tmp_path: Path,
) -> None:  # fmt: skip
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    ended = run(*kind.words, source, "--scheduler", cluster.address, "--out", undisturbed)
    assert ended.code == 0, ended.said
    process = start(*kind.words, source, "--scheduler", slow_cluster.address, "--out", out)
    deadline = time.monotonic() + PATIENCE
    while not begun_files(out):
        assert process.poll() is None, finish(process).said
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # Dask sends again a few milliseconds after it last sent, by this clock: what sent just before
    # the clock is set back is silent until it is as late again (distributed/batched.py).
    time.sleep(0.5)
    clock(jump)
    ended = finish(process)
    assert ended.code == 0, ended.said
    # A worker that is ended may have had results, which Dask says that it makes again.
    expected = ("taken for frozen", "Couldn't gather", "past errors one bar ahead")
    assert all(any(text in line for text in expected) for line in ended.lines), ended.said
    assert_same_table(out, undisturbed)
