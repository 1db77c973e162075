"""Parquet files: what was written comes back, and no torn page is used."""

import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from cryptodask.errors import DamagedFileError
from cryptodask.io.files import record_of
from cryptodask.io.parquet import open_parquet, read_frame, write_frame, write_frames
from cryptodask.io.paths import AnyPath

FRAME = pd.DataFrame(
    {"coin": ["BTC", "ETH"] * 200, "close": np.random.default_rng(0).random(400), "step": 1}
)
SCHEMA = pa.Schema.from_pandas(FRAME, preserve_index=False)


def write_groups(path: AnyPath) -> None:
    """Write the frame as two groups of rows."""
    with write_frames(path, SCHEMA) as writer:
        writer(FRAME[:300])
        writer(pa.Table.from_pandas(FRAME[300:], SCHEMA, preserve_index=False))
        writer(FRAME[:0])
    assert writer.record == record_of(path)


def read_groups(path: AnyPath) -> pd.DataFrame:
    with open_parquet(path) as file:
        groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
        frame: pd.DataFrame = pa.concat_tables(groups).to_pandas()
        return frame


@pytest.mark.parametrize("place", ["path", "memory"])
def test_frames_come_back_as_they_were(place: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet" if place == "path" else UPath("memory://frames/a.parquet")
    write_groups(path)
    with open_parquet(path, record_of(path)) as file:
        assert (file.num_row_groups, file.metadata.num_rows) == (2, 400)
        assert file.schema_arrow.names == list(FRAME)
        assert file.read_row_group(1, ["step"]).column_names == ["step"]
        assert file.read(["coin"]).num_rows == 400
    for frame in (read_groups(path), read_frame(path), read_frame(path, record_of(path))):
        pd.testing.assert_frame_equal(frame, FRAME)


def test_the_same_frame_is_the_same_file(tmp_path: Path) -> None:
    first, second = (write_frame(FRAME, tmp_path / name) for name in "ab")
    assert first.sha256 == second.sha256
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_folder_that_looks_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    (folder := tmp_path / "model=linear").mkdir()
    write_frame(FRAME, folder / "a.parquet")
    assert list(read_frame(folder / "a.parquet")) == list(FRAME)


def data_pages(path: Path) -> list[tuple[int, int]]:
    """Return where each column's pages begin and end: a dictionary, if any, and the values."""
    places = []
    metadata = pq.ParquetFile(path).metadata
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            start = chunk.data_page_offset
            if chunk.has_dictionary_page:
                places.append((chunk.dictionary_page_offset, start))
                stop = chunk.dictionary_page_offset + chunk.total_compressed_size
            else:
                stop = start + chunk.total_compressed_size
            places.append((start, stop))
    return places


def test_a_flipped_byte_in_any_page_is_seen_by_every_way_of_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_groups(path)
    content, record = path.read_bytes(), record_of(path)
    pages = data_pages(path)
    assert len(pages) == 2 * (3 + 2)  # two columns have dictionaries
    for _, stop in pages:
        torn = bytearray(content)
        torn[stop - 1] ^= 1
        path.write_bytes(torn)
        for read in (read_groups, read_frame, lambda path: read_frame(path, record)):
            with pytest.raises(DamagedFileError, match=r"a\.parquet: is damaged: "):
                read(path)


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_file_is_an_error_that_names_it(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_groups(path)
    content, record = path.read_bytes(), record_of(path)
    kept = data.draw(st.integers(0, len(content) - 1))
    zeroed = content[:kept] + bytes(len(content) - kept)
    for torn in (content[:kept], zeroed):
        if torn == content:
            continue
        path.write_bytes(torn)
        for read in (read_groups, read_frame, lambda path: read_frame(path, record)):
            with pytest.raises(DamagedFileError) as caught:
                read(path)
            assert str(caught.value).startswith(f"{path}: is damaged: ")
            assert "\n" not in str(caught.value)


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_footer_is_damage_or_is_seen_by_the_record(
    data: st.DataObject, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    write_groups(path)
    content, record = bytearray(path.read_bytes()), record_of(path)
    (length,) = struct.unpack("<I", content[-8:-4])
    place = data.draw(st.integers(len(content) - 8 - length, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_frame(path, record)


def test_a_missing_file_is_damage_only_where_it_is_known_to_have_been(tmp_path: Path) -> None:
    record = write_frame(FRAME, tmp_path / "a")
    (tmp_path / "a").unlink()
    for read in (read_frame, read_groups):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "a")
    with pytest.raises(DamagedFileError, match="it is missing"):
        read_frame(tmp_path / "a", record)
    with ExitStack() as stack, pytest.raises(DamagedFileError, match="it is missing"):
        stack.enter_context(open_parquet(tmp_path / "a", record))


def test_errors_of_the_block_are_not_those_of_the_file(tmp_path: Path) -> None:
    write_groups(tmp_path / "a")
    with pytest.raises(pa.ArrowInvalid), open_parquet(tmp_path / "a"):
        raise pa.ArrowInvalid("of something else")
    with pytest.raises(OSError, match="else"), open_parquet(tmp_path / "a"):
        raise OSError("something else")


def test_a_frame_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with write_frames(tmp_path / "a", SCHEMA) as writer:
            writer(FRAME)
            writer(FRAME[["coin"]])

    with pytest.raises(KeyError):
        write()
    assert list(tmp_path.iterdir()) == []
