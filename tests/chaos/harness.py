"""A cluster of real processes and a run on it, and faults of every kind at random."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from cryptodask.results import open_forecasts
from cryptodask.runs.folder import LOCK
from tests.chaos.disk import Disk, disk
from tests.chaos.hosts import Hosts, hosts

TTL = 8
"""Seconds without word after which the client takes a worker, or the scheduler, for frozen."""

PATIENCE = 900
"""Seconds after which a run that has not ended is stuck."""

REFUSED = "is being written by"
"""What the last line of a client says whose folder another one writes."""

ADVICE = (
    "cryptodask resume|no scheduler answers|start some with|still runs|make room|has just ended"
)
"""One of these is in the last line of a client that ends by itself: what to do now."""

LOGGED = {
    "crash": "killed by signal 6",
    "memory": "exceeded 95% memory budget",
    "hang": r"Timeout \(\d+:\d+:\d+",
}
"""Faults that coins bring about, and what a worker's log says of each."""


KINDS = (
    "kill worker", "kill host", "stop worker", "cut network", "kill client", "kill scheduler",
    "stop scheduler", "fill disk", "kill all workers", "second client", "kill second client",
    "power cut",
)  # fmt: skip


class Chaos:
    """Runs that are hurt until there were so many faults, and what came of them.

    Parameters
    ----------
    source, work : Path
        The prices, and a folder for logs.
    disk : Disk
        A small file system for results, which can be filled, and loses what was not on it yet when
        power is cut.
    seed, faults : int
        Of what is hurt when; and how many at least.
    poison : dict of str to list of str
        Coins that hurt their workers; see `tests.chaos.poison`.
    ways : sequence of dict
        What is asked of one run after another, from which the seed begins; see `tests.chaos.run`.
    """

    def __init__(
        self,
        source: Path,
        work: Path,
        disk: Disk,
        net: Hosts,
        *,
        seed: int,
        faults: int,
        workers: int = 3,
        poison: dict[str, list[str]],
        seconds: float = 0.05,
        epochs: int = 3,
        timeout: float = 15,
        pause: tuple[float, float] = (1.0, 4.0),
        ways: Sequence[dict[str, Any]] = ({},),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.source, self.work, self.net = source, work, net
        self.device, self.disk = disk, disk.folder
        self.wanted, self.poison, self.say, self.pause = faults, poison, say, pause
        self.shape = {"seconds": seconds, "epochs": epochs, "timeout": timeout}
        self.ways, self.first = ways, seed % len(ways)
        self.random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.resumed: Counter[str] = Counter()
        self.runs = 0
        self.written: dict[str, str] = {}
        self.expected: list[pd.DataFrame] = []
        self.count = workers
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes] | None] = [None] * workers
        self.client: subprocess.Popen[bytes] | None = None
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._next: list[str] = []

    def play(self) -> None:
        """Hurt runs, see that each of them ends with the table that it would have had."""
        with self._ending():
            self._revive()
            self.expected = list(map(self._undisturbed, self.ways))
            began = time.monotonic()
            while self._goes_on or self.client is not None:
                assert time.monotonic() - began < PATIENCE + 30 * self.wanted, "stuck; see the logs"
                self._revive()
                self._look_after_client()
                time.sleep(self.random.uniform(*self.pause))
                self._due()
                if self.client is not None and sum(self.faults.values()) < self.wanted:
                    self._hurt()
            self.faults.update(self._logged())

    @property
    def _goes_on(self) -> bool:
        """Whether there are faults to come, or all came before a first run had begun in earnest."""
        return sum(self.faults.values()) < self.wanted or not self.runs

    def _undisturbed(self, way: dict[str, Any]) -> pd.DataFrame:
        """Return the forecasts of a run that nothing hurts."""
        out = self.disk / f"whole-{self.ways.index(way)}"
        # Whose past errors are in no interval then, either.
        harmless = {"refuse": [coin for coins in self.poison.values() for coin in coins]}
        process = self._start_client(out, harmless, **{**way, "seconds": 0.0, "timeout": None})
        assert process.wait(PATIENCE) == 0, self._log("client")
        return table_of(out)

    def _way(self, run: int) -> int:
        """Return the number of what is asked of a run."""
        return (self.first + run) % len(self.ways)

    @property
    def _out(self) -> Path:
        """The folder of the run in progress."""
        return self.disk / f"run-{self.runs}"

    def _look_after_client(self) -> None:
        """Start the run again where it ended, and judge it when it is whole."""
        out, way = self._out, self._way(self.runs)
        if self.client is not None:
            code = self.client.poll()
            if code is None:
                return
            self.client = None
            self._note_written(out)
            if code == 0:
                self._judge(out, self.expected[way])
                self.runs += 1
                return
            told = self._log("client").strip().splitlines()[-1:]
            self.say(f"run {self.runs} ended with {code}: {' '.join(told)}")
            assert code in (1, -signal.SIGKILL), self._log("client")
            if code == 1:
                assert re.search(ADVICE, " ".join(told)), self._log("client")
            self.resumed["killed" if code != 1 else "said what to do"] += 1
        if self._goes_on or (out / "_plan.json").exists():
            (self.disk / "ballast").unlink(missing_ok=True)
            self.client = self._start_client(out, self.poison, **self.ways[way])

    def _judge(self, out: Path, expected: pd.DataFrame) -> None:
        """See that forecasts are those of an undisturbed run, and failures the poisoned coins."""
        done = open_forecasts(out)
        guilty = sorted(coin for coins in self.poison.values() for coin in coins)
        told = done.failures[["coin", "model", "exception"]].itertuples(index=False, name=None)
        found = [one for one in told if one[1] == "poison"]
        assert sorted(coin for coin, _, _ in found) == guilty, done.failures
        assert {kind for _, _, kind in found} <= {"WorkerDiedError", "MemoryError"}, found
        pd.testing.assert_frame_equal(table_of(out), expected, check_exact=True)
        self._note_written(out)
        self.say(f"run {self.runs}: equal, {len(done):,} rows; at fault: {', '.join(guilty)}")

    def _note_written(self, out: Path) -> None:
        """See that what was written once is never other bytes."""
        for file in out.glob("forecasts-*.parquet"):
            with suppress(OSError):
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                assert self.written.setdefault(str(file), digest) == digest, file

    def _hurt(self) -> None:
        """Do one fault; all kinds come up before one does again."""
        if not self._next:
            self._next = self.random.sample(KINDS, len(KINDS))
        kind = self._next.pop()
        fault: Callable[[], bool] = getattr(self, f"_{kind.replace(' ', '_')}")
        if not fault():
            self._next.insert(0, kind)  # later, when there is something to hurt
            return
        self.faults[kind] += 1
        self.say(f"fault {sum(self.faults.values())}: {kind}")

    # Each of these does a fault, and returns whether it could be done.

    def _any_worker(self) -> psutil.Process | None:
        process = self.workers[self.random.randrange(self.count)]
        return next(iter(_children(process)), None) if process is not None else None

    def _after_a_while(self, undo: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + self.random.uniform(TTL + 1, TTL + 5), undo))

    def _kill_worker(self) -> bool:
        worker = self._any_worker()
        if worker is not None:
            _kill(worker)
        return worker is not None

    def _kill_host(self) -> bool:
        return self._switch_off(self.random.randrange(self.count))

    def _kill_all_workers(self) -> bool:
        return sum(self._switch_off(host) for host in range(self.count)) > 0

    def _stop_worker(self) -> bool:
        worker = self._any_worker()
        if worker is not None:
            worker.suspend()
            self._after_a_while(lambda: _resume(worker))
        return worker is not None

    def _cut_network(self) -> bool:
        host = self.random.randrange(self.count)
        self.net.cable(host, False)
        self._after_a_while(lambda: self.net.cable(host, True))
        return True

    def _kill_client(self) -> bool:
        if self.client is not None:
            self.client.kill()
        return self.client is not None

    def _kill_scheduler(self) -> bool:
        return _kill_all(self.scheduler)

    def _stop_scheduler(self) -> bool:
        if self.scheduler is None or self.scheduler.poll() is not None:
            return False
        stopped = psutil.Process(self.scheduler.pid)
        stopped.suspend()
        self._after_a_while(lambda: _resume(stopped))
        return True

    def _fill_disk(self) -> bool:
        with suppress(OSError), (self.disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(b"\0" * 4096)
        return True

    def _second_client(self) -> bool:
        return self._try_second(None)

    def _kill_second_client(self) -> bool:
        return self._try_second(self.random.uniform(0.5, 4))

    def _try_second(self, life: float | None) -> bool:
        """Start another client on the folder of the run, whose own stands still meanwhile.

        Parameters
        ----------
        life : float or None
            Seconds after which it is killed, or None where it is to end by itself.
        """
        first, lock = self.client, self._out / LOCK
        if first is None or first.poll() is not None or not _is_awake(self.scheduler):
            return False
        psutil.Process(first.pid).suspend()
        try:
            if not lock.exists() or f"process {first.pid} on" not in lock.read_text("utf-8"):
                return False
            before = _bytes_in(self._out)
            second = self._start_client(
                self._out, self.poison, log="second", **self.ways[self._way(self.runs)]
            )
            if life is not None:
                time.sleep(life)
                second.kill()
            code, said = second.wait(PATIENCE), self._log("second").strip().splitlines()
            after = _bytes_in(self._out)
        finally:
            _resume(psutil.Process(first.pid))
        # Workers may have added files meanwhile; what was there is there, the lock's file, too.
        changed = [name for name, content in before.items() if after.get(name) != content]
        assert not changed, f"a second client changed {changed}: {said}"
        if life is not None and code == -signal.SIGKILL:
            return True
        assert code == 1, said
        if re.search(ADVICE, " ".join(said[-1:])):
            return False  # there was no worker to connect to
        # Beside it there may be what a watch says of workers that were frozen before.
        refused = [line for line in said if not re.match("worker .* taken for frozen", line)]
        assert len(refused) == 1, said
        assert f"error: {self._out}: {REFUSED} process {first.pid} on" in refused[0], said
        return True

    def _power_cut(self) -> bool:
        """Kill everything; what has not reached the disk is gone."""
        self._note_written(self._out)
        left = self.device.copy()
        for process in (self.client, *self.workers, self.scheduler):
            _kill_all(process)
        # Whatever it said since then, the disk does not know of it.
        self.client = None
        self.resumed["power cut"] += 1
        self.device.restart(left)
        self._note_written(self._out)
        for run in range(self.runs):
            there, expected = table_of(self.disk / f"run-{run}"), self.expected[self._way(run)]
            pd.testing.assert_frame_equal(there, expected, check_exact=True)
        return True

    def _switch_off(self, host: int) -> bool:
        """Kill a worker and its nanny, as a machine that goes off."""
        return _kill_all(self.workers[host])

    def _due(self) -> None:
        """End the faults that last some time."""
        for when, undo in list(self._later):
            if time.monotonic() >= when:
                self._later.remove((when, undo))
                undo()

    def _revive(self) -> None:
        """Start again the scheduler and the hosts that are off."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.scheduler = self._start(
                "scheduler", None, "-m", "dask", "scheduler", "--host", self.net.address(None),
                "--port", "8786", "--no-dashboard",
            )  # fmt: skip
        for i, process in enumerate(self.workers):
            if process is None or process.poll() is not None:
                self.workers[i] = self._start(
                    f"worker-{i}", i, "-m", "dask", "worker", self._address, "--nthreads", "1",
                    "--host", self.net.address(i), "--memory-limit", "600MB", "--no-dashboard",
                    "--death-timeout", "20", "--local-directory", str(self.work),
                )  # fmt: skip

    @property
    def _address(self) -> str:
        return f"tcp://{self.net.address(None)}:8786"

    def _start_client(
        self, out: Path, poison: dict[str, list[str]], *, log: str = "client", **other: Any
    ) -> "subprocess.Popen[bytes]":
        told = {"source": str(self.source), "out": str(out), "scheduler": self._address}
        asked = {**told, "poison": poison, **self.shape, **other}
        (self.work / f"{log}.log").unlink(missing_ok=True)
        return self._start(log, None, "-m", "tests.chaos.run", json.dumps(asked))

    def _start(self, name: str, host: int | None, *words: str) -> "subprocess.Popen[bytes]":
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DASK_CRYPTODASK__SILENCE__WORKER": f"{TTL}s",
            "DASK_CRYPTODASK__SILENCE__SCHEDULER": f"{TTL}s",
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        with (self.work / f"{name}.log").open("ab") as log:
            command = [*self.net.inside(host), sys.executable, *words]
            return subprocess.Popen(command, stdout=log, stderr=log, env=env)

    def _log(self, name: str) -> str:
        return (self.work / f"{name}.log").read_text("utf-8", "replace")[-4000:]

    def _logged(self) -> Counter[str]:
        """Count the faults that coins brought about."""
        texts = [file.read_text("utf-8", "replace") for file in self.work.glob("worker-*.log")]
        return Counter(
            {
                kind: sum(len(re.findall(how, text)) for text in texts)
                for kind, how in LOGGED.items()
            }
        )

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """End all processes that were started in this block."""
        try:
            yield
        finally:
            for process in (self.client, *self.workers, self.scheduler):
                _kill_all(process)


def table_of(out: Path) -> pd.DataFrame:
    """Return the forecasts in a folder, in one order."""
    whole = open_forecasts(out).get_ddf().compute(scheduler="synchronous")
    return whole.sort_values(["model", "coin", "step"], ignore_index=True)


def _children(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Return the workers of a nanny; not the helper by which Python starts processes."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(process.pid).children(recursive=True)
        return [one for one in found if "resource_tracker" not in " ".join(one.cmdline())]
    return []


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _kill_all(process: "subprocess.Popen[bytes] | None") -> bool:
    """Kill a process and its children; return whether it was there."""
    if process is None or process.poll() is not None:
        return False
    for one in [psutil.Process(process.pid), *_children(process)]:
        _kill(one)
    process.wait()
    return True


def _is_awake(process: "subprocess.Popen[bytes] | None") -> bool:
    if process is None or process.poll() is not None:
        return False
    return psutil.Process(process.pid).status() != psutil.STATUS_STOPPED


def _bytes_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder but drafts, which come and go."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def _resume(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()


@contextmanager
def chaos_on(folder: Path, size: str, workers: int) -> Iterator[tuple[Disk, Hosts]]:
    """Mount a small file system, and make hosts that see it."""
    with disk(folder, size) as made, hosts(workers) as net:
        yield made, net
