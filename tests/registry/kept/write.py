"""Write versions of this format, for later releases to read.

    python -m tests.registry.kept.write

Run once for each format, by the release that writes it; what it wrote is never written again.
"""

import os
import shutil
import socket
from pathlib import Path

import pandas as pd
from dask.distributed import Client

from cryptodask.models import create_model
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.registry import predict, train
from cryptodask.results.version_facts import FORMAT

KEPT = Path(__file__).parent

MODELS = {
    "linear": {},
    "ridge": {"lags": 4},
    "pooled_linear": {"ahead": 3},
    "svr_linear": {"lags": 3, "max_rows": 30},
    "lstm": {"window": 5, "units": "3"},
}

HORIZON = 3


def prices() -> pd.DataFrame:
    """Return the prices that they were trained on: three coins of 90 days."""
    return synthetic_prices(3, 90, seed=11, short=(90, 90, 90))


def main() -> None:
    """Train each model, and keep the version and its forecasts."""
    folder = KEPT / f"format-{FORMAT}"
    registry = folder / "registry"
    folder.mkdir()
    # Who trains is kept with a version, and is nobody's concern here.
    os.environ["LOGNAME"], socket.gethostname = "someone", lambda: "example"
    prices().to_csv(folder / "prices.csv", index=False)
    with Client(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        how = {"registry": registry, "client": client, "progress": False}
        for name, options in MODELS.items():
            model = create_model(name, **options)
            intervals = {"intervals": name == "ridge", "calibrate": 5, "warmup": 40}
            train(pd.read_csv(folder / "prices.csv"), model, horizon=HORIZON, **intervals, **how)
            rows = predict(pd.read_csv(folder / "prices.csv"), f"{name}:1", **how).get_df()
            rows.to_csv(folder / f"{name}.csv", index=False)
    for lock in registry.rglob("_lock"):
        lock.unlink()
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)


if __name__ == "__main__":
    main()
