"""Files of arrays: the same bits, or an error that names the file."""

import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from upath import UPath

from cryptodask.errors import CryptoDaskError, DamagedFileError
from cryptodask.io.arrays import DTYPES, LENGTH, open_arrays, write_arrays

KEPT = {
    "weights": np.arange(12, dtype=np.float64).reshape(3, 4),
    "last": np.array([1, 2, 3]),
    "bytes": np.frombuffer(b"abc", dtype=np.uint8),
}


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.sampled_from(DTYPES).flatmap(
            lambda kind: arrays(np.dtype(kind), array_shapes(min_dims=1, max_dims=3, min_side=0))
        ),
        max_size=4,
    ).filter(lambda named: "__metadata__" not in named),
    st.lists(st.text(max_size=5), max_size=3),
)
def test_arrays_and_notes_come_back_as_they_were(tmp_path_factory, named, coins):
    path = tmp_path_factory.mktemp("arrays") / "kept.safetensors"
    record = write_arrays(path, named, {"coins": coins})
    assert record.size == path.stat().st_size
    with open_arrays(path) as file:
        assert file.notes == {"coins": coins}
        assert file.names == tuple(sorted(named))
        for name, array in named.items():
            there = file.read(name)
            assert there.dtype == array.dtype
            np.testing.assert_array_equal(there, array)
            np.testing.assert_array_equal(file.read(name, 1, 2), array[1:2])


def test_the_same_arrays_give_the_same_file(tmp_path: Path):
    turned = dict(reversed(KEPT.items()))
    records = [
        write_arrays(tmp_path / name, kept, {"b": 1, "a": 2})
        for name, kept in (("one", KEPT), ("two", turned))
    ]
    assert records[0].sha256 == records[1].sha256


def test_what_is_no_array_of_numbers_is_not_written(tmp_path: Path):
    for array in (np.array([object()]), np.array(["text"]), np.array([1 + 2j])):
        with pytest.raises(TypeError, match=r"one: .* must be one of float64"):
            write_arrays(tmp_path / "kept.safetensors", {"one": array}, {})
    assert not list(tmp_path.iterdir())


def test_any_byte_of_the_header_that_changes_is_seen(tmp_path: Path):
    path = tmp_path / "kept.safetensors"
    write_arrays(path, KEPT, {})
    whole = path.read_bytes()
    with open_arrays(path) as file:
        expected = file.header_sha256
    size = LENGTH + int.from_bytes(whole[:LENGTH], "little")
    for place in range(size):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with suppress(DamagedFileError), open_arrays(path) as file:
            assert file.header_sha256 != expected, place


class Planted:
    """What a pickle would run."""

    def __reduce__(self):
        return (Path.touch, (Path("planted-has-run"),))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"\xff" * 20, pickle.dumps(Planted()), b"import os\nos.abort()\n", b"[" * 5000],
    ids=["empty", "one-byte", "long-header", "pickle", "code", "deep"],
)
def test_another_file_is_refused_by_name_and_nothing_runs(tmp_path: Path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "kept.safetensors"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"kept\.safetensors"), open_arrays(path):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["kept.safetensors"]


def test_a_file_that_was_cut_or_is_missing_is_refused(tmp_path: Path):
    path = tmp_path / "kept.safetensors"
    write_arrays(path, KEPT, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CryptoDaskError, match=r"kept\.safetensors"), open_arrays(path):
        pass
    path.unlink()
    with pytest.raises(DamagedFileError, match="missing"), open_arrays(path):
        pass


def test_a_store_has_them_too(store: UPath):
    path = store / "arrays" / "kept.safetensors"
    write_arrays(path, KEPT, {"coins": ["A"]})
    with open_arrays(path) as file:
        assert file.notes == {"coins": ["A"]}
        np.testing.assert_array_equal(file.read("weights", 1, 3), KEPT["weights"][1:3])
