"""Files that are whole or absent: the order of syncs, and every damage that records show."""

import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from cryptodask.errors import DamagedFileError, InputError, WriteError
from cryptodask.io.files import (
    FileRecord,
    damage,
    draft_of,
    read_checked,
    read_json,
    record_of,
    write_bytes,
    write_json,
    write_text,
)
from cryptodask.io.paths import make_folder, read_text


def steps_of(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> list[str]:
    """Return what is synced and renamed while something is done, in order."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        steps.append(f"sync {kind}")
        fsync(handle)

    def note_rename(source: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", note_sync)
        patch.setattr(Path, "replace", note_rename)
        action()
    return steps


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folder")
def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of(monkeypatch, lambda: write_text("a", tmp_path / "a"))
    assert steps == ["sync file", "rename", "sync folder"]


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folder")
def test_a_new_folder_is_synced_into_those_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "a" / "b"
    assert steps_of(monkeypatch, lambda: make_folder(deep)) == ["sync folder"] * 2
    assert deep.is_dir()
    assert steps_of(monkeypatch, lambda: make_folder(deep)) == []


def test_a_disk_that_fails_while_syncing_is_an_error_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text("old", tmp_path / "a")

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="can't be written to: Input/output error"):
        write_text("new", tmp_path / "a")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert read_text(tmp_path / "a") == "old"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_secret_is_nobody_elses_from_its_first_byte_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    open_file = os.open

    def note(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        handle = open_file(path, flags, mode, **more)
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", note)
        write_bytes(b"secret", tmp_path / "a", mode=0o600)
    assert modes[0] == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


@settings(deadline=None)  # a disk may take a second to sync
@given(content=st.binary(max_size=200))
def test_what_was_written_is_as_it_was_recorded(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "a"
    write_bytes(content, path)
    record = record_of(path)
    assert (record.name, record.size) == ("a", len(content))
    assert damage(path, record) is None
    assert read_checked(path, record) == content


@settings(deadline=None)  # a disk may take a second to sync
@given(content=st.binary(min_size=1, max_size=200), data=st.data())
def test_a_file_that_is_cut_zeroed_or_changed_is_not_taken_for_complete(
    content: bytes, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "a"
    write_bytes(content, path)
    record = record_of(path)
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    for torn in (b"", content[:place], bytes(len(content)), bytes(flipped), content + b"a"):
        if torn == content:  # zeros all along
            continue
        path.write_bytes(torn)
        assert damage(path, record)
        with pytest.raises(DamagedFileError) as caught:
            read_checked(path, record)
        assert str(caught.value).startswith(f"{path}: is damaged: it")
        assert "cryptodask resume FOLDER" in str(caught.value)


def test_a_file_that_is_missing_is_damaged(tmp_path: Path) -> None:
    record = FileRecord("a", 1, "0" * 64)
    assert damage(tmp_path / "a", record) == "it is missing"
    with pytest.raises(DamagedFileError, match="it is missing"):
        read_checked(tmp_path / "a", record)


def test_of_an_object_the_size_is_compared_and_the_content_where_it_is_read() -> None:
    path = UPath("memory://checked/a")
    write_bytes(b"abc", path)
    record = record_of(path)
    assert damage(path, record) is None
    write_bytes(b"abd", path)
    assert damage(path, record) is None
    with pytest.raises(DamagedFileError, match="its SHA-256 is"):
        read_checked(path, record)
    write_bytes(b"", path)
    assert damage(path, record) == "it has 0 bytes instead of 3"


def test_a_block_that_raises_leaves_no_draft(tmp_path: Path) -> None:
    def stop() -> None:
        with draft_of(tmp_path / "a") as draft:
            draft.write_bytes(b"a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert list(tmp_path.iterdir()) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)  # fmt: skip


@settings(deadline=None)  # a disk may take a second to sync
@given(value=JSON)
def test_json_is_read_as_it_was_written(
    value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    write_json(value, path)
    assert read_json(path) == value


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\0" * 9, "Expecting value"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"[NaN]", "NaN is not a number of JSON"),
        (b"-Infinity", "-Infinity is not a number of JSON"),
        (b"[1e999]", "1e999 is out of range"),
        (b"9" * 5000, "Exceeds the limit"),
        (b'{"a": 1, "a": 2}', "'a' occurs twice in one object"),
        (b"\xef\xbb\xbf{}", "BOM"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_not_json_is_said_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: is not the JSON that it should be: ")
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_place_of_json_is_said_and_a_missing_file_stays_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_json(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "a.json")


@settings(deadline=None)  # a disk may take a second to sync
@given(content=st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()[:-1]))
def test_no_content_raises_anything_else(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(content)
    with suppress(InputError):
        read_json(path)
