"""Versions on a cluster with TLS: what is trained and predicted there is the same, bit for bit."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cryptodask.prices import import_prices
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.registry import predict
from cryptodask.runs import forecast
from tests.conftest import Cluster

COMMAND = [sys.executable, "-m", "cryptodask.cli"]
MODELS = ("ridge", "pooled_linear")


def run(tls: Path, *words: object) -> None:
    """Run a command that knows nothing of TLS but the folder of its configuration."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        env=os.environ | {"DASK_CONFIG": str(tls / "client")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_versions_of_a_cluster_with_tls_are_those_of_any(tmp_path: Path):
    table, tls, models = (tmp_path / name for name in ("table", "tls", "models"))
    import_prices(synthetic_prices(4, 100, seed=3), table)
    run(tls, "security", "init", tls)
    cluster = Cluster(tmp_path, tls=tls)
    try:
        cluster.add_worker()
        cluster.add_worker()
        assert cluster.address.startswith("tls://")
        how = ("--registry", models, "--scheduler", cluster.address)
        for name in MODELS:
            run(tls, "train", table, "--model", name, "--horizon", 4, "--seed", 3, *how)
        chosen = [word for name in MODELS for word in ("--model", f"{name}:1")]
        run(tls, "predict", table, *chosen, "--out", tmp_path / "there.parquet", *how)
    finally:
        cluster.stop()
    versions = [f"{name}:1" for name in MODELS]
    here = predict(table, versions, registry=models, workers=1, progress=False).get_df()
    anew = forecast(table, list(MODELS), 4, seed=3, workers=1, progress=False).get_df()
    pd.testing.assert_frame_equal(here, anew, check_exact=True)
    there = pd.read_parquet(tmp_path / "there.parquet").astype(anew.dtypes.to_dict())
    pd.testing.assert_frame_equal(there, anew, check_exact=True)
