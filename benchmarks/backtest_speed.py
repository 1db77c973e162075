"""A backtest beside statsforecast's and mlforecast's ``cross_validation`` with the same models.

    python benchmarks/backtest_speed.py [--coins 100] [--days 1500] [--origins 50] [--repeats 5]
                                        [--peer-python PATH]

The peers live in an environment of their own, whose interpreter is PATH:

    python3.11 -m venv peers
    peers/bin/pip install statsforecast mlforecast scikit-learn pyarrow

Made-up coins are written once, as a CryptoDask table and as one Parquet file of the logs of their
closes. Every way forecasts ten days of every coin as of each origin, ten days apart:

- ``drift`` beside ``RandomWalkWithDrift`` of log prices, which is the same model, so that forecasts
  have to agree to 1e-9 of the log price;
- ``pooled_linear`` on ten lags of log returns beside mlforecast's ``LinearRegression`` on ten lags
  of first differences of log prices, both one regression over all coins, fitted anew at each
  origin. Ours has ten steps of coefficients of its own, and mlforecast forecasts recursively, so
  that only the first day is the same and has to agree, to 1e-6.

CryptoDask runs as its core alone, `backtest_panel` in one process on a panel that is in memory, as
the peers' dataframes are, and as a user runs it: `backtest` on a cluster of two workers that has
been started, without intervals, which reads the table, and backtests ``naive`` too. Every way runs
once before it is timed. Libraries have one thread a process. Peers that are not installed there are
left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from closed_form import ONE_THREAD, write_prices
from common import alternate, can_import, parse, print_ratio, print_versions

HORIZON, LAGS = 10, 10
LINEAR = {
    "features": f"lag:1-{LAGS}", "target": "log_return", "normalise": "none", "alpha": 0.0,
    "ahead": HORIZON,
}  # fmt: skip
CORE, CLUSTER = "cryptodask, core", "cryptodask, cluster of 2"
PEERS: dict[str, tuple[str, ...]] = {
    "drift": ("statsforecast, n_jobs=1", "statsforecast, n_jobs=2"),
    "pooled_linear": ("mlforecast",),
}


def by_statsforecast(logs: Any, origins: int, jobs: int) -> Any:
    """Backtest as statsforecast's documentation does."""
    from statsforecast import StatsForecast
    from statsforecast.models import RandomWalkWithDrift

    engine = StatsForecast([RandomWalkWithDrift(alias="forecast")], "D", n_jobs=jobs)
    return engine.cross_validation(HORIZON, df=logs, n_windows=origins, step_size=HORIZON)


def by_mlforecast(logs: Any, origins: int) -> Any:
    """Backtest as mlforecast's documentation does."""
    from mlforecast import MLForecast
    from mlforecast.target_transforms import Differences
    from sklearn.linear_model import LinearRegression

    engine = MLForecast(
        {"forecast": LinearRegression()}, "D", lags=list(range(1, LAGS + 1)),
        target_transforms=[Differences([1])],
    )  # fmt: skip
    return engine.cross_validation(
        logs, n_windows=origins, h=HORIZON, step_size=HORIZON, refit=True, static_features=[]
    )


WAYS: dict[str, Callable[[Any, int], Any]] = {
    "statsforecast, n_jobs=1": lambda logs, origins: by_statsforecast(logs, origins, 1),
    "statsforecast, n_jobs=2": lambda logs, origins: by_statsforecast(logs, origins, 2),
    "mlforecast": by_mlforecast,
}


def child(folder: Path, origins: int) -> None:
    """Backtest the ways that are named on standard input, one a line."""
    import pandas as pd

    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    logs = pd.read_parquet(folder / "logs.parquet")
    for line in sys.stdin:
        began = time.perf_counter()
        found = WAYS[line.strip()](logs, origins)
        seconds = time.perf_counter() - began
        found = found[["unique_id", "cutoff", "ds", "forecast"]]
        found.reset_index(drop=True).to_parquet(folder / "peer.parquet")
        print(json.dumps(seconds), file=answers, flush=True)


class Peer:
    """A process of the peers' environment that stays."""

    def __init__(self, python: str, folder: Path, origins: int) -> None:
        command = [python, __file__, "--child", str(folder), "--origins", str(origins)]
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __call__(self, way: str) -> float:
        """Run, and return the seconds without writing what came."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{way}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{way}: failed; what it said is above")
        return float(json.loads(answer))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def check(model: str, ours: Any, folder: Path) -> float:
    """Return by how much logs of forecasts differ; raise if that is more than by rounding."""
    import numpy as np
    import pandas as pd

    peer = pd.read_parquet(folder / "peer.parquet")
    own = ours.assign(forecast=np.log(ours["forecast"]))
    own = own.rename(columns={"coin": "unique_id", "date": "ds"})
    if model == "pooled_linear":
        own = own[own["step"] == 1]
        peer = peer[(peer["ds"] - peer["cutoff"]) == pd.Timedelta("1D")]
    key = ["unique_id", "cutoff", "ds"]
    for frame in (own, peer):
        frame[key[1:]] = frame[key[1:]].astype("datetime64[s]")
    both = own[[*key, "forecast"]].merge(peer, on=key, suffixes=("", "_peer"))
    apart = float((both["forecast"] - both["forecast_peer"]).abs().max())
    if len(both) != len(peer) or len(both) != len(own):
        raise SystemExit(f"{model}: {len(own)} forecasts of ours, {len(peer)} of the peer's")
    if not apart <= (1e-9 if model == "drift" else 1e-6):
        raise SystemExit(f"{model}: logs of forecasts differ by up to {apart}")
    return apart


def compare(model: str, folder: Path, client: Any, peer: Peer, args: Any) -> None:
    """Time all ways of one model in turn, and print."""
    from cryptodask import CryptoLoader, CryptoManager
    from cryptodask.evaluate.backtest import backtest_panel
    from cryptodask.evaluate.rolling import choose_origins
    from cryptodask.models import create_model
    from cryptodask.prices.panels import to_panel
    from cryptodask.runs import backtest

    made = create_model(model, **(LINEAR if model == "pooled_linear" else {}))
    panel = to_panel(CryptoLoader(folder / "table").get_df())
    span = panel.dates.min(), panel.dates.max()
    origins = choose_origins(*span, panel.step, HORIZON, args.origins)
    manager = CryptoManager(folder / "table", client)
    ours: dict[str, Callable[[], Any]] = {
        CORE: lambda: backtest_panel(panel, made, origins, HORIZON).table,
        CLUSTER: lambda: (
            backtest(
                manager, [made], HORIZON, origins=args.origins, calibrate=0, progress=False
            ).frame
        ),
    }
    peers = [way for way in PEERS[model] if way.partition(",")[0] in args.there]
    for way in peers:
        peer(way)
        for own in ours.values():
            table = own()
            apart = check(model, table[table["model"] == model].copy(), folder)
        print(f"{model}, {way}: logs of forecasts differ by {apart:.1e} at most")
    inner: dict[str, list[float]] = {way: [] for way in peers}
    theirs = {way: lambda way=way: inner[way].append(peer(way)) for way in peers}
    seconds = alternate({**ours, **theirs}, args.repeats) | inner
    if not peers:
        print_ratio(seconds, CLUSTER, CORE)
    for way in peers:
        for own in ours:
            print_ratio(seconds, way, own)


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=100)
    parser.add_argument("--days", type=int, default=1_500)
    parser.add_argument("--origins", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--child", type=Path)
    args = parse(parser, coins=4, days=200, origins=2, repeats=2)
    if args.child:
        child(args.child, args.origins)
        return
    import numpy as np
    import pandas as pd

    from cryptodask.cluster import close_local, local_client

    print_versions()
    args.there = can_import(("statsforecast", "mlforecast"), args.peer_python)
    listing = [args.peer_python, "-m", "pip", "list", "--format=freeze"]
    told = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    names = ("statsforecast==", "mlforecast==", "pandas==", "numpy==", "scikit-learn==")
    print("peers:", *(line for line in told.splitlines() if line.startswith(names)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_prices(folder, args.coins, args.days)
        logs = pd.read_parquet(folder / "prices.parquet")
        logs.assign(y=np.log(logs["y"])).to_parquet(folder / "logs.parquet")
        client, peer = local_client(2), Peer(args.peer_python, folder, args.origins)
        for model in args.model:
            compare(model, folder, client, peer, args)
        peer.close()
        close_local(client)


if __name__ == "__main__":
    main()
