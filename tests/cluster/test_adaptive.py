"""Workers that come with the work and go after it."""

import time

import pytest

from cryptodask import CryptoManager
from cryptodask.cluster import close_local, local_client
from cryptodask.errors import OptionError


def count(client) -> int:
    return len(client.scheduler_info(n_workers=-1)["workers"])


@pytest.mark.slow
def test_workers_come_for_a_run_and_go_after_it(small_folder):
    client = local_client((0, 2))
    try:
        assert count(client) == 0
        manager = CryptoManager(small_folder, client)
        seen = []
        forecasts = manager.forecast(
            ["naive", "linear", "ridge"], on_done=lambda _: seen.append(count(client))
        )
        assert len(forecasts)
        assert 1 <= max(seen) <= 2
        deadline = time.monotonic() + 60
        while count(client):
            assert time.monotonic() < deadline, "idle workers stay"
            time.sleep(0.1)
        with CryptoManager(small_folder, workers=1) as fixed:
            assert fixed.forecast(["naive", "linear", "ridge"]).equals(forecasts)
    finally:
        close_local(client)


@pytest.mark.parametrize(
    ("workers", "said"),
    [((2, 1), "at least 2 and at most 1"), ((0, 0), "at least 1"), ((-1, 2), "got -1")],
)
def test_refuses_what_is_no_number_of_workers(workers: tuple[int, int], said: str):
    with pytest.raises(OptionError, match=said):
        local_client(workers)
