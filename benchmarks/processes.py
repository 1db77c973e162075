"""Real processes for benchmarks, on loopback: started, watched, and ended by their own ids.

Beside a Dask cluster of a scheduler and workers by their commands, here is what a process has in
memory, and what else the machine's cores did meanwhile, since a figure taken beside other work is
to say so. Linux only.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import psutil  # of distributed
from dask.distributed import Client

BENCHMARKS = Path(__file__).resolve().parent
ONE_THREAD = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS",
     "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # fmt: skip
QUIET = 0.1
"""Cores that other work may use of a machine that counts as quiet."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs: its address, the scheduler's process, and its dashboard's port or 0."""

    address: str
    scheduler: int
    dashboard: int = 0


def environment() -> dict[str, str]:
    """Return an environment of one thread a process, in which these benchmarks can be imported."""
    there = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(BENCHMARKS), *([there] if there else [])])
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}


@contextmanager
def dask_cluster(
    folder: Path, workers: int, limit: str = "auto", options: Sequence[str] = ("--no-dashboard",)
) -> Iterator[Cluster]:
    """Run a scheduler and workers of one thread by Dask's commands, and wait for all of them.

    Parameters
    ----------
    folder : Path
        For logs and for what workers spill.
    workers : int
    limit : str
        Of each worker's memory, as `dask worker` takes it.
    options : sequence of str
        More, of `dask scheduler`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "scheduler.json"
    note.unlink(missing_ok=True)
    common = ["--host", "127.0.0.1", "--scheduler-file", str(note)]
    of_worker = ["--no-dashboard", "--nthreads", "1", "--nworkers", str(workers),
                 "--memory-limit", limit, "--local-directory", str(folder),
                 "--death-timeout", "300"]  # fmt: skip
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            started("scheduler", ["dask", "scheduler", "--port", "0", *common, *options], folder)
        )
        until = time.monotonic() + 60
        while not (note.exists() and note.read_text().rstrip().endswith("}")):
            if time.monotonic() > until:
                raise SystemExit(f"no scheduler: {(folder / 'scheduler.log').read_text()}")
            time.sleep(0.1)
        stack.enter_context(started("workers", ["dask", "worker", *common, *of_worker], folder))
        told = json.loads(note.read_text())
        address = str(told["address"])
        with Client(address) as client:
            client.wait_for_workers(workers, timeout=300)
        yield Cluster(address, scheduler.pid, int(told["services"].get("dashboard", 0)))


@contextmanager
def started(
    name: str, module: Sequence[str], folder: Path, more: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a Python module as a process, its output in NAME.log, and end it with what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and not without ending it
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=folder,
            env=environment() | dict(more or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all that it starts can be ended, and nothing else
        )
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def memory(pid: int | str = "self", what: str = "VmHWM") -> float:
    """Return the peak of a process's resident memory, or by ``VmRSS`` what it has now, in MB."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1024 if found else float("nan")


def worker_peaks(client: Client) -> list[float]:
    """Return the peak memory of each worker since its start, in MB."""
    return [memory(pid) for pid in sorted(client.run(os.getpid).values())]


def in_process(step: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(step, *arguments).result()
        except SystemExit as error:  # whose exit code is lost on the way from there
            raise SystemExit(str(error)) from None


class Others:
    """How many cores were busy with what is not of this process or of any that it started.

    Attributes
    ----------
    cores : float
        In the mean over the block.
    used : float
        Seconds of the processor that this process and those that it started had in the block,
        which other work changes less than it does the time.
    """

    cores: float
    used: float

    def __enter__(self) -> Self:
        self._began = time.monotonic(), *_used()
        return self

    def __exit__(self, *_: object) -> None:
        since, all_before, mine_before = self._began
        all_now, mine_now = _used()
        self.used = mine_now - mine_before
        spent = all_now - all_before - self.used
        self.cores = max(0.0, spent / (time.monotonic() - since))

    def __str__(self) -> str:
        """Say whether the machine was quiet."""
        kind = "quiet" if self.cores < QUIET else "UNDER LOAD"
        return f"{kind}: other work had {self.cores:.2f} cores of {os.cpu_count()}"


def watched(way: Callable[[], object], kept: list[Others]) -> Callable[[], object]:
    """Return a way that also prints what else the machine did, and keeps it in a list."""

    def run() -> object:
        with Others() as others:
            result = way()
        kept.append(others)
        print(f"    {others}; processor {others.used:.2f} s", flush=True)
        return result

    return run


def _used() -> tuple[float, float]:
    """Return the seconds that all cores have been busy, and those of this process's tree."""
    times = psutil.cpu_times()
    busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
    here = psutil.Process()
    mine = 0.0
    for process in [here, *here.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            mine += sum(process.cpu_times()[:4])  # of its own and of children that it waited for
    return busy, mine
