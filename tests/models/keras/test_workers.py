"""Keras networks on workers: the bits of one process, whatever the workers and partitions."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask.models import Model, create_model, run_model
from cryptodask.prices import import_prices
from cryptodask.prices.panels import to_panel
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.runs import forecast
from tests.ci_script import ROOT
from tests.conftest import Cluster

SMALL: dict[str, Any] = {"window": 8, "epochs": 1, "units": 4}
MODELS = {
    "a coin": create_model("keras:gru", **SMALL),
    "all coins": create_model("keras:transformer", **SMALL, pooled=True, outputs=2),
}


@pytest.mark.parametrize("what", MODELS)
def test_two_workers_give_the_bits_of_this_process(
    what: str, cluster: Cluster, tmp_path: Path
) -> None:
    model: Model = MODELS[what]
    prices = synthetic_prices(6, 60, seed=1)
    here = run_model(model, to_panel(prices), 4, seed=2)
    with Client(cluster.address) as client:
        for partitions in (2, 5):
            table = tmp_path / f"table-{partitions}"
            import_prices(prices, table, partitions=partitions)
            there = forecast(table, [model], 4, client=client, seed=2, progress=False).get_df()
            values = there.sort_values(["coin", "date"])["forecast"].to_numpy().reshape(-1, 4)
            order = pd.Index(here.coins).argsort()
            assert (values == here.values[order]).all()
            assert there.groupby("coin").ngroups == 6


def test_a_network_of_all_coins_is_trained_on_a_worker(tmp_path: Path) -> None:
    """By a client that never makes one, on one worker and on two, with the bits of a plain loop."""
    model, prices = MODELS["all coins"], synthetic_prices(6, 60, seed=1)
    prices.to_csv(tmp_path / "prices.csv", index=False)
    here = run_model(model, to_panel(prices), 4, seed=2)
    order = pd.Index(here.coins).argsort()
    script = f"""
import os
import subprocess
import sys
from cryptodask.models import create_model
from cryptodask.runs import forecast
if __name__ == "__main__":
    model = create_model("keras:transformer", **{SMALL!r}, pooled=True, outputs=2)
    for workers in (1, 2):
        done = forecast("prices.csv", [model], 4, workers=workers, seed=2, progress=False)
        assert not {{"keras", "tensorflow"}} & set(sys.modules)
        done.get_df().to_parquet(f"{{workers}}.parquet")
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=env, check=True, timeout=300)
    for workers in (1, 2):
        there = pd.read_parquet(tmp_path / f"{workers}.parquet").sort_values(["coin", "date"])
        assert (there["forecast"].to_numpy().reshape(-1, 4) == here.values[order]).all()


def test_a_worker_without_a_network_does_not_import_tensorflow() -> None:
    prices = synthetic_prices(3, 40, seed=1)
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        forecast(prices, ["naive", "linear", "lstm"], 2, client=client, progress=False)
        [loaded] = client.run(lambda: sorted({"keras", "tensorflow"} & set(sys.modules))).values()
    assert loaded == []
