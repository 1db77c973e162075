"""What a run takes longer for those who watch it on the scheduler's pages.

    python benchmarks/viewers.py SOURCE [--viewers 50] [--repeats 5] [--rounds 5]
                                 [--models naive,linear,ridge] [--page crypto-runs] [--workers 2]
                                 [--rest 0] [--base]

On a real cluster of Dask's own commands with ``--preload cryptodask.dashboard`` the same
forecasts, ``--rounds`` of them one after another, run with viewers and without, in turn, each pair
in the other order than the one before. Viewers are websockets, which take every change as a browser
does, and draw nothing. Those of real people are on other machines, so that here they are one
process that gets a core only while nobody else wants it (Linux's ``SCHED_IDLE``): what they are
sent waits in the buffers of their sockets meanwhile.

The ratio of times needs a quiet machine. What the scheduler's process used of the processor is
printed beside it, also for each second of each viewer, and says more where the machine is not.
Sessions that were left (of other pages than ``crypto-runs``) are ended half a minute later; with
``--rest 30`` that falls into no run.

``--base`` compares runs without viewers on that cluster with runs on one without our pages.
"""

import argparse
import asyncio
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil  # of distributed
from common import parse, print_ratio, print_versions
from dask.distributed import Client
from processes import Cluster, Others, dask_cluster, started

from cryptodask import CryptoLoader, CryptoManager

PRELOAD = ("--dashboard-address", "127.0.0.1:0", "--preload", "cryptodask.dashboard")
BARE = ("--dashboard-address", "127.0.0.1:0")


async def watch(url: str, viewers: int) -> None:
    """Open so many pages, say so, and count what comes, until this process is ended."""
    from bokeh.client.websocket import WebSocketClientConnectionWrapper
    from bokeh.protocol import Protocol
    from tornado.httpclient import AsyncHTTPClient
    from tornado.websocket import WebSocketClientConnection, websocket_connect

    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    count = size = 0

    async def read(socket: WebSocketClientConnection) -> None:
        nonlocal count, size
        while (message := await socket.read_message()) is not None:
            count, size = count + 1, size + len(message)
        raise SystemExit("a viewer was cut off")

    tasks = []
    for _ in range(viewers):
        answer = await AsyncHTTPClient().fetch(url, request_timeout=60)
        token = re.search(r'"token":"([^"]+)"', answer.body.decode())
        address = url.replace("http", "ws", 1)
        if token is None:  # the same page for all, and a stream
            socket = await websocket_connect(f"{address}/stream")
        else:
            socket = await websocket_connect(
                f"{address}/ws", subprotocols=["bokeh", token.group(1)]
            )
            await socket.read_message()  # its greeting, before which the server takes nothing
            sender = WebSocketClientConnectionWrapper(socket)
            await Protocol().create("PULL-DOC-REQ").send(sender)
        tasks.append(asyncio.create_task(read(socket)))
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0.5)
        print(count, size, flush=True)


@contextmanager
def watching(url: str, viewers: int, folder: Path) -> Iterator[Callable[[], tuple[int, int]]]:
    """Have a process of viewers; what is yielded tells how many messages and bytes they got."""
    log = folder / "viewers.log"
    log.unlink(missing_ok=True)
    script = ["viewers", url, "--viewers", str(viewers), "--watch"]
    with started("viewers", script, folder) as process:
        while "ready" not in (log.read_text() if log.exists() else ""):
            if process.poll() is not None:
                raise SystemExit(f"no viewers: {log.read_text()}")
            time.sleep(0.2)

        def counts() -> tuple[int, int]:
            count, size = re.findall(r"^(\d+) (\d+)$", log.read_text(), re.MULTILINE)[-1]
            return int(count), int(size)

        time.sleep(2)  # until all of them have their pages
        yield counts
        if process.poll() is not None:
            raise SystemExit(f"viewers left: {log.read_text()}")


class Measured:
    """Forecasts on one cluster: seconds, and those of the scheduler's process."""

    def __init__(
        self, cluster: Cluster, client: Client, source: str, models: list[str], rounds: int
    ) -> None:
        self.cluster, self.rounds = cluster, rounds
        self.manager = CryptoManager(CryptoLoader(source), client)
        self.models, self.used = models, dict[str, list[float]]()
        self.run("first")

    def run(self, name: str) -> float:
        """Forecast all coins, so many times, and return the seconds."""
        process = psutil.Process(self.cluster.scheduler)
        before, began = process.cpu_times(), time.perf_counter()
        for _ in range(self.rounds):
            if not len(self.manager.forecast(self.models, 10, progress=False)):
                raise SystemExit("no coin was forecast")
        seconds = time.perf_counter() - began
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        self.used.setdefault(name, []).append(spent / seconds)
        return seconds


def in_turn(ways: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Time two ways in pairs, each pair in the other order than the one before."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(repeats):
        for name in list(ways)[:: 1 if i % 2 else -1]:
            seconds[name].append(ways[name]())
            print(f"  {name}: {seconds[name][-1]:.3f} s", flush=True)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source")
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default="naive,linear,ridge")
    parser.add_argument("--page", default="crypto-runs")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rest", type=float, default=0)
    parser.add_argument("--base", action="store_true")
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    args = parse(parser, viewers=2, repeats=2, rounds=1, models="naive")
    if args.watch:
        asyncio.run(watch(args.source, args.viewers))
        return
    print_versions()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def measured(name: str, options: tuple[str, ...]) -> Measured:
            cluster = stack.enter_context(
                dask_cluster(folder / name, args.workers, options=options)
            )
            client = stack.enter_context(Client(cluster.address))
            return Measured(cluster, client, args.source, args.models.split(","), args.rounds)

        ours = measured("pages", PRELOAD)
        messages: list[list[int]] = []

        def watched() -> float:
            url = f"http://127.0.0.1:{ours.cluster.dashboard}/{args.page}"
            with watching(url, args.viewers, folder) as counts:
                before = counts()
                seconds = ours.run("with viewers")
                time.sleep(3)
                messages.append([b - a for a, b in zip(before, counts(), strict=True)])
            time.sleep(args.rest)
            return seconds

        with Others() as others:
            if args.base:
                bare = measured("bare", BARE)
                ways = {"with pages": lambda: ours.run("pages"), "bare": lambda: bare.run("bare")}
            else:
                ways = {"with viewers": watched, "without": lambda: ours.run("without")}
            seconds = in_turn(ways, args.repeats)
        print_ratio(seconds, *ways)
        used = {name: statistics.median(values) for name, values in ours.used.items()}
        for name, share in used.items():
            print(f"scheduler's process, {name}: {share:.2%} of a core")
        if messages:
            each = (used["with viewers"] - used["without"]) / args.viewers
            print(f"a viewer's second takes the scheduler {1e6 * each:,.0f} µs of a core")
            count, size = map(statistics.median, zip(*messages, strict=True))
            print(f"to {args.viewers} viewers a run: {count:,.0f} messages, {size / 1e6:.2f} MB")
        print(others)


if __name__ == "__main__":
    main()
