"""Versions that earlier releases wrote are read, and forecast what they did."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask.cluster import connect
from cryptodask.errors import VersionError
from cryptodask.registry import Registry, predict
from cryptodask.results.manifest import MANIFEST, read_manifest, write_manifest
from cryptodask.results.version import open_version
from cryptodask.results.version_facts import FORMAT, OLDEST, SPREADS_SINCE, check_libraries
from tests.conftest import Cluster

KEPT = Path(__file__).parent / "kept"

FOLDERS = sorted(KEPT.glob("format-*"))

VERSIONS = [
    pytest.param(folder, name.name, id=f"{folder.name}-{name.name}")
    for folder in FOLDERS
    for name in sorted((folder / "registry").iterdir())
]

EXACT = ("linear", "ridge")
"""Models that take sums and products alone. Others call exponentials and matrix products, whose
last bits depend on the processor."""


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[Client]:
    """A client of the cluster that all share."""
    with connect(cluster.address) as client:
        yield client


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of all that is kept, since whoever reads must not write there."""
    return shutil.copytree(KEPT, tmp_path / "kept")


def test_every_format_that_is_read_is_kept_here():
    assert [folder.name for folder in FOLDERS] == [
        f"format-{number}" for number in range(OLDEST, FORMAT + 1)
    ]


@pytest.mark.parametrize(("folder", "name"), VERSIONS)
def test_it_forecasts_what_it_did(folder: Path, name: str, copied: Path, client: Client):
    there = copied / folder.name
    how = {"registry": there / "registry", "client": client, "progress": False}
    prices = pd.read_csv(there / "prices.csv")
    version = open_version(there / "registry" / name / "versions" / "1")
    try:
        check_libraries(version.path, version.facts.libraries, version.model)
    except VersionError as error:  # a library is of another release since: that is said
        with pytest.raises(VersionError, match=r"trained with .* is installed here"):
            predict(prices, f"{name}:1", **how)
        pytest.skip(str(error))
    if version.manifest.intervals and version.facts.format < SPREADS_SINCE:
        with pytest.raises(VersionError, match="pooled its errors over another volatility"):
            predict(prices, f"{name}:1", **how)
        how["intervals"] = False
    rows = predict(prices, f"{name}:1", **how).get_df()
    before = pd.read_csv(there / f"{name}.csv", parse_dates=["cutoff", "date"])
    pd.testing.assert_frame_equal(
        rows, before[rows.columns].astype(rows.dtypes.to_dict()), check_exact=False, rtol=1e-6
    )
    if name in EXACT:
        np.testing.assert_allclose(rows["forecast"], before["forecast"], rtol=1e-14)


@pytest.mark.parametrize("format_", [FORMAT + 1, OLDEST - 1])
def test_a_format_of_another_time_is_refused_with_both_sides(copied: Path, format_: int):
    folder = copied / FOLDERS[-1].name / "registry" / "ridge" / "versions" / "1"
    manifest = read_manifest(folder, ["parameters"])
    (folder / MANIFEST).unlink()
    write_manifest(folder, attrs.evolve(manifest, facts=manifest.facts | {"format": format_}))
    told = f"format: {format_}, and this CryptoDask reads {OLDEST} to {FORMAT}"
    with pytest.raises(VersionError, match=told):
        open_version(folder)


def test_the_state_of_before_is_read(copied: Path):
    for folder in FOLDERS:
        registry = Registry(copied / folder.name / "registry")
        for name in registry.names():
            assert registry.find(f"{name}:1").number == 1
            assert registry.log(name)


def test_it_names_no_machine():
    for path in KEPT.rglob("*.json"):
        assert "@" not in json.dumps(json.loads(path.read_text())).replace("someone@example", "")
