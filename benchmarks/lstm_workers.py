"""The LSTM on two Dask workers, against a Keras model a coin on the same workers and on Celery's.

    pip install "cryptodask[bench]"
    python benchmarks/lstm_workers.py SOURCE [--coins 100] [--repeats 3] [--only dask]
                                      [--only-warm] [--broker URL]

Three ways to forecast the same coins ten days ahead with the same network, windows, batch size,
epoch and validation split:

- ``cryptodask``: ``CryptoManager.send_tasks`` on a scheduler and two workers of one thread, which
  Dask's own commands start;
- ``dask, model a coin``: on those workers, one task a coin that builds, compiles and fits a model
  of its own and calls ``predict`` ten times (``per_coin`` of ``lstm_per_coin.py``);
- ``celery, model a coin``: the same function on a Celery worker of two processes, each of which
  does one task, so that Keras and TensorFlow are imported for every task
  (``--max-tasks-per-child=1``). Messages go over RabbitMQ, results back over its ``rpc`` backend.

Warm means that workers have imported all they need and done each way once before; just started,
that Dask's workers are restarted ahead of each run, which is not timed. Celery's processes are
always just started, forked from one that has all but Keras and TensorFlow. One thread a process
everywhere. Both rivals are given arrays that were read before the clock started; CryptoDask reads
its files. ``--only dask`` leaves Celery out, and then needs neither it nor a broker.
"""

import argparse
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from common import alternate, parse, print_ratio, print_versions
from dask.distributed import Client
from lstm_per_coin import HORIZON, WINDOW, per_coin, run_batched
from processes import Others, dask_cluster, started, watched

from cryptodask import CryptoLoader
from cryptodask.errors import SeriesError
from cryptodask.models.fitting import check_series
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.prices.panels import to_panel
from cryptodask.records import FloatArray

WORKERS = 2
OURS, DASK, CELERY = "cryptodask", "dask, model a coin", "celery, model a coin"
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672"  # its default  # pragma: allowlist secret
PATIENCE = 120  # seconds for a broker, a worker, or one coin


def sound_coins(loader: CryptoLoader, most: int) -> dict[str, FloatArray]:
    """Return the closes of the first coins that the LSTM can be fitted to."""
    found = {}
    for coin, closes, dates in to_panel(loader.get_df()):
        try:
            check_series(coin, closes, dates, LSTM(), HORIZON)
        except SeriesError:
            continue
        found[coin] = closes
        if len(found) == most:
            break
    return found


def by_dask(client: Client, closes: list[FloatArray]) -> None:
    """Run one task a coin on Dask's workers."""
    check(client.gather(client.map(per_coin, closes, pure=False)), closes)


def by_celery(task: Any, closes: list[FloatArray]) -> None:
    """Run one task a coin on Celery's workers."""
    sent = [task.delay(series.tolist()) for series in closes]
    check([result.get(timeout=PATIENCE + len(closes) * PATIENCE) for result in sent], closes)


def check(forecasts: list[Any], closes: list[FloatArray]) -> None:
    """Refuse a run that did not forecast every coin."""
    if np.shape(forecasts) != (len(closes), HORIZON) or not np.isfinite(forecasts).all():
        raise SystemExit("not every coin was forecast")


@contextmanager
def celery_worker(folder: Path, broker: str) -> Iterator[Any]:
    """Run a Celery worker with a queue of its own, give its task, and delete what it made."""
    queue = f"cryptodask-benchmark-{secrets.token_hex(4)}"
    settings = {"CRYPTODASK_BENCHMARK_BROKER": broker, "CRYPTODASK_BENCHMARK_QUEUE": queue}
    os.environ.update(settings)
    from celery_tasks import app, forecast_coin
    from kombu import Connection

    with Connection(broker, connect_timeout=10) as connection:
        connection.ensure_connection(max_retries=1)
    options = [f"--concurrency={WORKERS}", "--pool=prefork", "--max-tasks-per-child=1",
               "--without-gossip", "--without-mingle", "--without-heartbeat",
               "--loglevel=WARNING", f"--hostname={queue}@%h"]  # fmt: skip
    command = ["celery", "-A", "celery_tasks", "worker", *options]
    try:
        with started("celery", command, folder, settings):
            until = time.monotonic() + PATIENCE
            while not app.control.ping(timeout=1):
                if time.monotonic() > until:
                    raise SystemExit(f"no Celery worker: {(folder / 'celery.log').read_text()}")
            yield forecast_coin
    finally:
        app.close()
        with Connection(broker) as connection, connection.channel() as channel:
            channel.queue_delete(queue)
            for exchange in (queue, f"{queue}.pidbox", f"reply.{queue}.pidbox"):
                channel.exchange_delete(exchange)


def measure(
    title: str,
    ways: dict[str, Callable[[], object]],
    repeats: int,
    coins: int,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Run the ways in turn, and print seconds a coin and how many times as fast ours is."""
    print(title)
    looks: dict[str, list[Others]] = {name: [] for name in ways}
    done = alternate({n: watched(way, looks[n]) for n, way in ways.items()}, repeats, before)
    used = {name: [look.used for look in some] for name, some in looks.items()}
    for name, seconds in done.items():
        each, busy = (statistics.median(some) / coins for some in (seconds, used[name]))
        print(f"{name}: {each:.3f} s a coin, {busy:.3f} s of the processor")
    for rival in [name for name in ways if name != OURS]:
        print_ratio(done, rival, OURS)
        ratio = statistics.median(a / b for a, b in zip(used[rival], used[OURS], strict=True))
        print(f"  by seconds of the processor, which other work changes less: {ratio:.4g}")
    load = [look.cores for some in looks.values() for look in some]
    print(f"other work meanwhile: {min(load):.2f} to {max(load):.2f} cores", flush=True)


def main() -> None:
    """Parse, start, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--coins", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["dask"])
    parser.add_argument("--only-warm", action="store_true")
    parser.add_argument("--broker", default=RABBITMQ)
    args = parse(parser, coins=1, repeats=1, only_warm=True)
    print_versions()
    loader = CryptoLoader(args.source)
    sound = sound_coins(loader, args.coins)
    names, closes = list(sound), list(sound.values())
    windows = sum(len(series) - WINDOW for series in closes)
    print(f"{len(names)} coins, {windows:,} windows, {WORKERS} workers of one thread", flush=True)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        cluster = stack.enter_context(dask_cluster(folder / "dask", WORKERS))
        client = stack.enter_context(Client(cluster.address))
        ways: dict[str, Callable[[], object]] = {
            OURS: partial(run_batched, client, loader, names),
            DASK: partial(by_dask, client, closes),
        }
        if not args.tiny:  # some coins a worker of each way, for what is imported
            run_batched(client, loader, names)
            by_dask(client, closes[: 4 * WORKERS])
        warm = dict(ways)
        if args.only != "dask":
            print(f"  celery {version('celery')}, RabbitMQ", flush=True)
            task = stack.enter_context(celery_worker(folder, args.broker))
            if not args.tiny:
                by_celery(task, closes[:WORKERS])
            warm[CELERY] = partial(by_celery, task, closes)
        size = len(names)
        measure("Dask's workers warm, Celery's always fresh:", warm, args.repeats, size)
        if not args.only_warm:
            measure("Dask's workers just started:", ways, args.repeats, size, client.restart)


if __name__ == "__main__":
    main()
