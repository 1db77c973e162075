"""Versions in a folder: whatever is not as it was written is refused by name, and nothing runs."""

import pickle
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest
from dask.distributed import Client

from cryptodask.cluster import connect
from cryptodask.errors import CryptoDaskError, DamagedFileError, InputError, VersionError
from cryptodask.models import create_model
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.registry import predict, train
from cryptodask.results.manifest import MANIFEST, read_manifest, write_manifest
from cryptodask.results.version import open_version
from tests.conftest import Cluster

HORIZON = 3

PRICES = synthetic_prices(5, 120, seed=8)


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[Client]:
    """A client of the cluster that all share."""
    with connect(cluster.address) as client:
        yield client


@pytest.fixture(scope="module", params=["ridge", "pooled_linear", "lstm"])
def written(
    request: pytest.FixtureRequest, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A registry with one version."""
    options = {"lstm": {"window": 5, "units": "3"}, "pooled_linear": {"ahead": HORIZON}}
    registry = tmp_path_factory.mktemp("registry")
    model = create_model(request.param, **options.get(request.param, {}))
    train(
        PRICES, model, registry=registry, name="kept", horizon=HORIZON, client=client,
        progress=False,
    )  # fmt: skip
    return registry


@pytest.fixture
def registry(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to be hurt."""
    return shutil.copytree(written, tmp_path / "registry")


def folder_of(registry: Path) -> Path:
    return registry / "kept" / "versions" / "1"


def files_of(folder: Path) -> list[Path]:
    """Return the files that the manifest names, and the manifest."""
    manifest = read_manifest(folder, ["parameters"])
    return [folder / r.name for r in (*manifest.files, *manifest.beside)] + [folder / MANIFEST]


def forecasts(registry: Path, client: Client) -> np.ndarray:
    done = predict(PRICES, "kept:1", registry=registry, client=client, progress=False)
    assert not len(done.failures)
    return done.get_df()["forecast"].to_numpy()


def test_a_flipped_bit_of_any_file_is_refused_by_name(registry: Path, client: Client):
    whole = forecasts(registry, client)
    rng = random.Random(1)
    for path in files_of(folder_of(registry)):
        content = path.read_bytes()
        for place in {0, len(content) - 1, *rng.sample(range(len(content)), 3)}:
            changed = bytearray(content)
            changed[place] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
            # Another name each time, since versions never change and are opened once a process.
            moved = registry.rename(registry.with_name(f"moved-{rng.random()}"))
            with pytest.raises(CryptoDaskError) as caught:
                forecasts(moved, client)
            assert path.name in str(caught.value), (path.name, place)
            registry = moved.rename(registry)
            path.write_bytes(content)
    np.testing.assert_array_equal(forecasts(registry, client), whole)


def test_a_file_that_is_missing_or_cut_is_refused_by_name(registry: Path, client: Client):
    for path in files_of(folder_of(registry)):
        content = path.read_bytes()
        for there in (None, content[: len(content) // 2], b""):
            path.unlink()
            if there is not None:
                path.write_bytes(there)
            gone = there is None and path.name == MANIFEST
            told = "its training did not end" if gone else path.name.replace(".", r"\.")
            with pytest.raises(CryptoDaskError, match=told):
                forecasts(registry, client)
            path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.py", "weights.pkl", "_evil.py", ".hidden.py"])
def test_what_was_planted_is_refused_by_name_and_nothing_runs(
    registry: Path, client: Client, tmp_path: Path, name: str
):
    (folder_of(registry) / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(VersionError, match=f"{name}: no training wrote it"):
        forecasts(registry, client)
    assert not (tmp_path / "ran").exists()


class Touch:
    """What runs where a pickle is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_in_the_place_of_arrays_does_not_run(
    registry: Path, client: Client, tmp_path: Path
):
    """Even where the manifest was made to name it by its size and checksum."""
    folder = folder_of(registry)
    manifest = read_manifest(folder, ["parameters"])
    [record, *others] = manifest.files
    path = folder / record.name
    path.write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(DamagedFileError, match=record.name):
        forecasts(registry, client)
    from cryptodask.io.files import record_of

    (folder / MANIFEST).unlink()
    write_manifest(folder, attrs.evolve(manifest, files=[record_of(path), *others]))
    if manifest.record("_shared.safetensors") is None:  # else it is not read for forecasts
        moved = registry.rename(registry.with_name("moved"))
        with pytest.raises(DamagedFileError, match=record.name):
            forecasts(moved, client)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 99}, "format: 99, and this CryptoDask reads"),
        ({"format": "1"}, "format: '1', and this CryptoDask reads"),
        ({"format": None}, "format: None, and this CryptoDask reads"),
        ({"model": {"name": "gone", "options": {}}}, "gone"),
        ({"model": {"name": "ridge", "options": {"lags": -1}}}, "lags: must be at least 1"),
        ({"model": {"name": "sklearn:os.system", "options": {}}}, "nothing else is imported"),
        ({"model": {"name": "ridge"}}, "options"),
        ({"model": "ridge"}, "model"),
        ({"libraries": {"scikit-learn": "0.1.0"}}, "scikit-learn: trained with 0.1.0, and none"),
        ({"freq": "1h"}, "freq: trained on bars of 1h"),
        ({"surprise": 1}, "surprise"),
        ({"coins": "many"}, "coins"),
        ({"spec": {}}, "spec: models"),
        ({"spec": {"gaps": "leap"}}, "spec"),
    ],
    ids=str,
)
def test_a_manifest_that_says_something_else_is_refused_by_key(
    registry: Path, client: Client, change: dict, told: str
):
    folder = folder_of(registry)
    manifest = read_manifest(folder, ["parameters"])
    (folder / MANIFEST).unlink()
    write_manifest(folder, attrs.evolve(manifest, facts={**manifest.facts, **change}))
    with pytest.raises(InputError) as caught:
        forecasts(registry, client)
    assert told in str(caught.value)
    assert str(folder) in str(caught.value)


def test_features_of_another_definition_are_refused_with_both_sides(registry: Path, client: Client):
    folder = folder_of(registry)
    manifest = read_manifest(folder, ["parameters"])
    name = manifest.facts["model"]["name"]
    there = manifest.features.get(name, "none")
    (folder / MANIFEST).unlink()
    write_manifest(folder, attrs.evolve(manifest, features={name: "0123abcd"}))
    with pytest.raises(VersionError, match="features: trained on those of fingerprint 0123abcd"):
        forecasts(registry, client)
    with pytest.raises(VersionError, match=there):
        forecasts(registry, client)


def test_one_coin_is_read_without_the_others(registry: Path, client: Client):
    version = open_version(folder_of(registry))
    if version.facts.any_coin:
        assert version.learned(["anything"])[0].coins is None
        return
    every = version.learned(version.coins)[0]
    for coin in version.coins:
        alone = version.learned([coin])[0]
        assert alone.coins == (coin,)
        for name, array in every.take([coin]).arrays.items():
            np.testing.assert_array_equal(alone.arrays[name], array)
    backwards = version.learned(version.coins[::-1])[0]
    assert backwards.coins == tuple(version.coins[::-1])
