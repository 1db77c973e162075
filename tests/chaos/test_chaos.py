"""A short form of ``make chaos``: one fault of every kind, and a coin that crashes its worker."""

import os
import subprocess
from pathlib import Path

import pytest

from cryptodask import CryptoLoader
from cryptodask.prices.synthetic import synthetic_prices
from tests.chaos.disk import disk
from tests.chaos.harness import KINDS, Chaos, chaos_on
from tests.chaos.hosts import possible, skip_without_mount
from tests.conftest import write_folder


@pytest.mark.slow
def test_faults_of_every_kind_change_no_bit(tmp_path: Path) -> None:
    if not possible():
        told = "network namespaces and small file systems need root"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    try:
        with disk(tmp_path / "attempt", "16M"):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        skip_without_mount(error)
    source = write_folder(tmp_path / "prices", synthetic_prices(12, 60, seed=7))
    coins = CryptoLoader(source).get_crypto_names()
    with chaos_on(tmp_path / "disk", "16M", 2) as (small, net):
        chaos = Chaos(source, tmp_path, small, net, seed=5, faults=len(KINDS), workers=2,
                      poison={"crash": [coins[4]]}, seconds=0.3, epochs=1, timeout=30,
                      pause=(0.3, 1.5))  # fmt: skip
        chaos.play()
    assert set(KINDS) <= set(chaos.faults)
    assert chaos.faults["crash"] >= 3
    assert chaos.runs >= 1
    assert sum(chaos.resumed.values()) >= 2
