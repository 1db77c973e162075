"""What a run tells the scheduler, of real runs on a real cluster."""

from pathlib import Path
from typing import Any

import pytest
from dask.distributed import Client

from cryptodask.cluster import RunLog
from cryptodask.cluster.events import ENDED, FAILED, TOPIC
from cryptodask.manager import CryptoManager
from cryptodask.records import CoinFailure
from tests.conftest import Cluster


def last(client: Client, run: str) -> dict[str, Any]:
    """Return the last message of a run."""
    told = [message for _, message in client.get_events(TOPIC) if message["run"] == run]
    assert told
    return told[-1]


def latest_run(client: Client) -> str:
    return str(client.get_events(TOPIC)[-1][1]["run"])


def test_a_forecast_is_told_from_its_beginning_to_its_end(
    cluster: Cluster, small_folder: Path, tmp_path: Path
) -> None:
    with Client(cluster.address) as client:
        manager = CryptoManager(small_folder, client)
        done = manager.forecast(["naive", "ridge"], 5, out=tmp_path / "out", progress=False)
        told = last(client, latest_run(client))
    coins = manager.loader.get_crypto_names()
    assert told["state"] == ENDED
    assert told["models"] == {"naive": len(coins), "ridge": len(coins)}
    assert (told["horizon"], told["source"]) == (5, str(small_folder.resolve()))
    assert told["out"] == str((tmp_path / "out").resolve())
    failures = done.failures
    for model in ("naive", "ridge"):
        ended, failed, rows, seconds = told["totals"][model]
        assert (ended, failed) == (len(coins), (failures["model"] == model).sum())
        assert rows > 0
        assert set(seconds) >= {"read", "fit"}
    assert {(c, m) for c, m, _, _ in told["failures"]} == set(
        zip(failures["coin"], failures["model"], strict=True)
    )


def test_forecasts_do_not_travel_where_no_page_listens(
    cluster: Cluster, small_folder: Path
) -> None:
    with Client(cluster.address) as client:
        CryptoManager(small_folder, client).forecast(["naive"], 3, progress=False)
        run = latest_run(client)
        told = [message for _, message in client.get_events(TOPIC) if message["run"] == run]
    assert not any({"tables", "whole"} & set(message) for message in told)


def test_a_run_that_raises_has_failed(cluster: Cluster) -> None:
    with Client(cluster.address) as client:
        with pytest.raises(OSError, match="full"), RunLog(client, "forecast", ["m"], ["a"], 3):
            raise OSError("full")
        told = last(client, latest_run(client))
    assert (told["state"], told["error"]) == (FAILED, "OSError: full")


def test_a_connection_that_is_gone_ends_no_run(cluster: Cluster) -> None:
    client = Client(cluster.address)
    with RunLog(client, "forecast", ["m"], ["a", "b"], 3) as log:
        client.close()
        log.ended("m", ["a"], [CoinFailure("a", "m", "E", "why")])
        log.end()
    with RunLog(client, "forecast", ["m"], ["a", "b"], 3) as log:
        log.ended("m", ["a"])
        log.end()
    with RunLog(None, "forecast", ["m"], [], 3) as log:
        log.end()
