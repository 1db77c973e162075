"""`cryptodask cluster` and `cryptodask security`, as a user runs them."""

import time
from pathlib import Path

from cryptodask import __version__
from cryptodask.cluster import RunLog, connect
from tests.cli.command import run
from tests.conftest import Cluster


def test_certificates_are_made_and_the_user_is_told_what_goes_where(tmp_path: Path):
    tls = tmp_path / "tls"
    done = run("security", "init", tls, "--host", "10.1.2.3", "--days", 7, "--at", "/etc/tls")
    assert done.returncode == 0, done.stderr
    assert f"{tls}/ca.key stays here" in done.stdout
    assert f"To each worker's machine, copy {tls}/worker; there:" in done.stdout
    assert done.stdout.count("export DASK_CONFIG=/etc/tls") == 3
    done = run("security", "issue", tls, "worker-2")
    assert f"export DASK_CONFIG={tls}/worker-2" in done.stdout
    done = run("security", "init", tls)
    assert done.returncode == 2
    assert "ca.key is there already" in done.stderr


def test_a_cluster_tells_of_its_workers_and_of_runs_under_way(
    own_cluster: Cluster, small_folder: Path
) -> None:
    own_cluster.add_worker("--resources", "GPU=1")
    own_cluster.add_worker()
    with connect(own_cluster.address) as client:
        client.wait_for_workers(2)
        with RunLog(client, "forecast", ["naive"], ["A", "B"], 3) as log:
            log.ended("naive", ["A"])
            time.sleep(1)
            done = run("cluster", "--scheduler", own_cluster.address)
            log.end()
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "2 workers" in said
    assert "GPU=1" in said
    assert "1 run in progress" in said
    assert f"cryptodask {__version__}" in said
    assert "0 runs in progress" in run("cluster", "--scheduler", own_cluster.address).stdout

    asked = ["forecast", small_folder, "--model", "naive", "--scheduler", own_cluster.address]
    done = run(*asked, "--resources", "GPU=1", "--profile")
    assert done.returncode == 0, done.stderr
    for amount, told in (("GPU=2", "no worker has GPU=2"), ("GPU", "write it as NAME=AMOUNT")):
        done = run(*asked, "--resources", amount)
        assert done.returncode in (1, 2)
        assert told in " ".join(done.stderr.split())
