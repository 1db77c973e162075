"""Which versions may differ between client, scheduler and workers, and what is said where not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask import __version__
from cryptodask.cluster import connect
from cryptodask.cluster.versions import EXACT, MAJOR, PACKAGES, mismatches, versions_of
from tests.conftest import Cluster

ALL = {"python": "3.11.7", "dask": "2026.8.0", "distributed": "2026.8.0",
       "cryptodask": "0.1.0", "numpy": "2.4.6", "pandas": "3.1.1", "pyarrow": "24.0.0",
       "numba": "0.68.1"}  # fmt: skip


def test_asks_every_process(cluster: Cluster):
    with connect(cluster.address) as client:
        client.wait_for_workers(2)
        versions = versions_of(client)
    assert len(versions) == 4
    for told in versions.values():
        assert told["cryptodask"] == __version__
        assert set(PACKAGES) <= set(told)
    assert mismatches(versions) == []


@pytest.mark.parametrize(
    ("package", "other"),
    [("python", "3.12.1"), ("dask", "2026.8.1"), ("distributed", None), ("cryptodask", None),
     ("cryptodask", "0.2.0"), ("numpy", "1.26.4"), ("pandas", None)],
)  # fmt: skip
def test_names_the_worker_the_package_and_both_versions(package: str, other: str | None):
    versions = {"client": ALL, "scheduler": ALL, "tcp://a:1": ALL | {package: other}}
    (line,) = mismatches(versions)
    assert line.startswith(f"tcp://a:1: {package} is {other or 'not installed'} there")
    assert ALL[package] in line


@pytest.mark.parametrize(
    ("package", "other"),
    [("python", "3.11.9"), ("numpy", "2.3.0"), ("numba", "0.1"), ("numba", None)],
)
def test_lets_pass_what_changes_last_bits_at_most(package: str, other: str | None):
    assert mismatches({"client": ALL, "tcp://a:1": ALL | {package: other}}) == []


def test_a_scheduler_needs_no_more_than_python_and_dask():
    bare = {name: None if name in (*MAJOR, "cryptodask") else ALL[name] for name in ALL}
    assert mismatches({"client": ALL, "scheduler": bare}) == []
    assert len(mismatches({"client": ALL, "scheduler": bare | {"dask": "2025.1.0"}})) == 1


def test_many_workers_of_one_fault_are_one_line():
    versions = {"client": ALL} | {f"tcp://w:{i}": ALL | {"dask": "1"} for i in range(40)}
    (line,) = mismatches(versions)
    assert "and 37 more" in line


@given(st.sampled_from([*EXACT, *MAJOR]), st.lists(st.integers(0, 50), min_size=1, max_size=3))
def test_the_same_version_never_differs(package: str, numbers: list[int]):
    told = ALL | {package: ".".join(map(str, numbers))}
    assert mismatches({"client": told, "scheduler": told, "tcp://a:1": told}) == []
