import os
import pickle
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cryptodask.errors import NotAPriceFileError, OptionError, SourceError, UnreadableFileError
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.listing import coin_of
from cryptodask.prices.partition import (
    MIN_PARTITIONS,
    MOST_FILES,
    ROWS_PER_PARTITION,
    SLACK,
    pack,
    pack_files,
)
from tests.prices.conftest import GOOD, HEADER, listing, the_finding, told, write_files

OTHER = GOOD.replace(",1.5,", ",1.6,")
few = settings(max_examples=200, deadline=None)


def read_all(source: FolderSource) -> pd.DataFrame:
    return pd.concat([p.read() for p in source.partitions(source.coins)], ignore_index=True)


def two_files(folder: Path, files: dict[str, str]) -> FolderSource:
    """A folder of two files whose names may differ by case only."""
    write_files(folder, files)
    if len(list(folder.iterdir())) < 2:
        pytest.skip("this file system does not tell case")
    return FolderSource(folder)


def source_with(folder: Path, name: str, content: str | bytes) -> FolderSource:
    """A folder of the good coin A and one file more, which must not hurt it."""
    source = FolderSource(write_files(folder, {"A.csv": GOOD, name: content}))
    rows = read_all(source)
    assert rows.loc[rows["coin"] == "A", "close"].tolist() == [1.1, 1.5]
    return source


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; get the file again"),
        (b"\x00\x01\x02PK", "is binary, not a text file of prices"),
        (HEADER + "\n", "has a header and no row; get the file again"),
    ],
)
def test_a_file_without_a_readable_row_is_a_coin_that_is_lost_and_named(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    source = source_with(tmp_path, "B.csv", content)
    assert source.coins == ["A"]
    assert source.empty == {"B": f"B.csv: {message}"}
    row = the_finding(source.file_findings(), "unreadable_file")
    assert (row.coin, row.file, row.message) == ("B", "B.csv", message)
    assert len(lost(source.findings())) == 1


@pytest.mark.parametrize(
    ("row", "kind", "value", "message"),
    [
        ('"Feb 30, 2017",1,1,1,1,1,1', "unreadable_row", "Feb 30, 2017", "no such day"),
        ("2017-09-20,1,1,1,-5,1,1", "nonpositive_close", "-5", "must be above 0"),
        ("2017-09-20,1,1,1,five,1,1", "unreadable_row", "five", "close: no number"),
    ],
)
def test_a_file_with_one_bad_row_loses_that_row_only(
    tmp_path: Path, row: str, kind: str, value: str, message: str
) -> None:
    source = source_with(tmp_path, "B.csv", GOOD + row + "\n")
    assert source.coins == ["A", "B"]
    assert source.empty == {}
    assert len(read_all(source)) == 4
    found = lost(source.findings())
    assert told(found, "kind", "coin", "file", "line", "value") == [(kind, "B", "B.csv", 4, value)]
    assert message in found["message"].iloc[0]


@pytest.mark.parametrize("name", ["100 List.csv", "notes.txt", "LICENSE", "README.md", "x.parquet"])
def test_a_file_that_is_not_of_prices_is_named_and_no_coin_is_lost(
    tmp_path: Path, name: str
) -> None:
    source = source_with(tmp_path, name, "#,Name,Price\n1,Bitcoin,5\n")
    assert source.coins == ["A"]
    assert source.empty == {}
    assert the_finding(source.findings(), "not_a_price_file").file == name
    assert lost(source.findings()).empty


@pytest.mark.parametrize("name", ["B.parquet", "B.json", "B.json.gz"])
def test_a_file_with_a_suffix_of_prices_that_can_not_be_read_is_a_coin_that_was_lost(
    tmp_path: Path, name: str
) -> None:
    source = source_with(tmp_path, name, b"\x89PNG\0\0")
    assert list(source.empty) == [Path(name).stem]
    assert lost(source.findings())["file"].tolist() == [name]


@pytest.mark.parametrize("name", ["logo.png", "table.pickle", "empty.md"])
def test_binary_files_of_other_suffixes_are_named_and_cost_no_coin(
    tmp_path: Path, name: str
) -> None:
    source = source_with(tmp_path, name, b"\x89PNG\0\0" if name != "empty.md" else b"")
    assert source.empty == {}
    assert the_finding(source.findings(), "not_a_price_file").file == name


@pytest.mark.parametrize(
    "name",
    ["..\\evil.csv", "..\\..\\evil.csv", "C:\\evil.csv", "..evil.csv", "B\nC.csv", "B\x1b[31m.csv"],
)
def test_a_name_that_would_be_a_path_or_cant_be_shown_is_refused_by_name(
    tmp_path: Path, name: str
) -> None:
    source = source_with(tmp_path, name, GOOD)
    assert source.coins == ["A"]
    row = the_finding(source.findings(), "unreadable_file")
    assert "rename the file" in row.message
    assert row.file.isprintable()
    assert row.coin.isprintable()
    assert list(source.empty) == [row.coin]
    with pytest.raises(UnreadableFileError, match="a path or can't be shown"):
        coin_of(tmp_path / name, tmp_path)


def test_a_name_that_is_no_text_is_refused_and_shown_with_escapes(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"B\xff.csv")).write_text(GOOD)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    source = source_with(tmp_path, "C.csv", GOOD)
    assert source.coins == ["A", "C"]
    row = the_finding(source.findings(), "unreadable_file")
    assert (row.coin, row.file) == ("B\\udcff", "B\\udcff.csv")


def test_a_name_of_white_space_is_refused(tmp_path: Path) -> None:
    source = source_with(tmp_path, "  .csv", GOOD)
    assert source.coins == ["A"]
    assert "name it for the coin" in the_finding(source.findings(), "unreadable_file").message


@pytest.mark.parametrize(
    ("name", "coin"),
    [
        ("Bitcoin Cash.csv", "Bitcoin Cash"),
        ("  Bit   coin .csv", "Bit coin"),
        ("Bitcoin.CSV", "Bitcoin"),
        ("Bitcoin.txt", "Bitcoin"),
        ("Bitcoin", "Bitcoin"),
        ("St. Coin, 100% (new) #1.csv", "St. Coin, 100% (new) #1"),
        (unicodedata.normalize("NFD", "Übercöin.csv"), "Übercöin"),
        ("币.csv", "币"),
        ("0x.csv", "0x"),
        ("NaN.csv", "NaN"),
    ],
)
def test_odd_names_of_files_give_the_names_of_coins(tmp_path: Path, name: str, coin: str) -> None:
    source = source_with(tmp_path, name, GOOD)
    assert source.coins == sorted(["A", coin])
    assert set(read_all(source)["coin"]) == {"A", coin}


def test_hidden_files_are_none_of_ours(tmp_path: Path) -> None:
    source = source_with(tmp_path, ".DS_Store", b"\0\0")
    (tmp_path / ".cache").mkdir()
    assert FolderSource(tmp_path).file_findings().empty
    assert source.empty == {}


@pytest.mark.parametrize("name", ["B.csv", "old", "more.txt"])
def test_a_subfolder_is_named_and_not_read(tmp_path: Path, name: str) -> None:
    write_files(tmp_path / name, {"C.csv": GOOD})
    source = FolderSource(write_files(tmp_path, {"A.csv": GOOD}))
    assert source.coins == ["A"]
    assert source.empty == {}
    row = the_finding(source.findings(), "not_a_price_file")
    assert (row.file, row.message) == (name, "is a folder; import it on its own")
    with pytest.raises(NotAPriceFileError, match="is a folder"):
        coin_of(tmp_path / name, tmp_path)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder of coin A; ``secret`` beside it is out of it."""
    write_files(tmp_path / "secret", {"B.csv": GOOD})
    return write_files(tmp_path / "prices", {"A.csv": GOOD})


@pytest.mark.parametrize("target", ["../secret/B.csv", "../secret/gone.csv", "/dev/null"])
def test_a_link_out_of_the_folder_is_refused(linked: Path, target: str) -> None:
    (linked / "B.csv").symlink_to(target)
    source = FolderSource(linked)
    assert source.coins == ["A"]
    assert list(source.empty) == ["B"]
    row = the_finding(source.findings(), "unreadable_file")
    assert (row.file, row.message) == (
        "B.csv", "is a link to outside of the folder; put the file itself there",
    )  # fmt: skip


def test_a_link_to_a_folder_is_not_followed(linked: Path) -> None:
    (linked / "more").symlink_to("../secret")
    source = FolderSource(linked)
    assert source.coins == ["A"]
    assert the_finding(source.findings(), "not_a_price_file").file == "more"


def test_a_link_inside_the_folder_is_a_file_like_others(linked: Path) -> None:
    (linked / "B.csv").symlink_to("A.csv")
    assert FolderSource(linked).coins == ["A", "B"]


def test_a_folder_that_is_itself_a_link_is_read(linked: Path) -> None:
    link = linked.parent / "link"
    link.symlink_to("prices")
    assert FolderSource(link).coins == ["A"]


def test_a_link_to_itself_or_to_nothing_is_named_and_hurts_no_other(linked: Path) -> None:
    (linked / "B.csv").symlink_to("C.csv")
    (linked / "C.csv").symlink_to("B.csv")
    (linked / "D.csv").symlink_to("gone.csv")
    source = FolderSource(linked)
    assert source.coins == ["A"]
    assert sorted(source.empty) == ["B", "C", "D"]
    bad = lost(source.findings())["message"]
    assert all("can't be opened" in message for message in bad[1:])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_named_and_not_waited_for(linked: Path) -> None:
    os.mkfifo(linked / "B.csv")
    source = FolderSource(linked)
    assert source.coins == ["A"]
    assert (
        "is a pipe or device, not a file"
        in the_finding(source.findings(), "unreadable_file").message
    )


@pytest.mark.parametrize("second", ["bitcoin.csv", "BITCOIN.csv", " Bitcoin .csv", "Bitcoin.txt"])
def test_two_files_of_one_coin_that_agree_are_one_coin(tmp_path: Path, second: str) -> None:
    more = GOOD + '"Sep 20, 2017",1,2,1,1.3,1,1\n'
    source = two_files(tmp_path, {"Bitcoin.csv": GOOD, second: more})
    first, other = sorted(["Bitcoin.csv", second])
    assert source.coins == [" ".join(Path(first).stem.split())]
    assert read_all(source)["close"].tolist() == [1.3, 1.1, 1.5]
    row = the_finding(source.findings(), "merged_file")
    assert row.file == other
    assert f"merged with {first}" in row.message
    assert lost(source.findings()).empty


@pytest.mark.parametrize("second", ["bitcoin.csv", "Bitcoin .csv"])
def test_of_two_files_that_contradict_the_second_is_left_out_and_the_difference_told(
    tmp_path: Path, second: str
) -> None:
    more = OTHER + '"Sep 20, 2017",1,2,1,1.3,1,1\n'
    source = two_files(tmp_path, {"Bitcoin.csv": GOOD, second: more})
    first, other = sorted(["Bitcoin.csv", second])
    assert source.coins == ["Bitcoin"]
    kept = {"Bitcoin.csv": [1.1, 1.5], second: [1.3, 1.1, 1.6]}[first]
    assert read_all(source)["close"].tolist() == kept
    [row] = lost(source.findings()).itertuples()
    assert (row.kind, row.coin, row.file) == ("contradicting_file", "Bitcoin", other)
    assert f"{first}, which has a close of {kept[-1]}" in row.message
    assert f"on 2017-09-22; this file has {({1.5: 1.6, 1.6: 1.5})[kept[-1]]}" in row.message


def test_a_coin_with_a_good_and_an_empty_file_is_no_lost_coin(tmp_path: Path) -> None:
    source = two_files(tmp_path, {"A.csv": GOOD, "a.csv": ""})
    assert source.coins == ["A"]
    assert source.empty == {}
    assert the_finding(source.findings(), "unreadable_file").file == "a.csv"


def test_a_folder_without_a_file_of_prices_is_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"is empty; .*at least Date and"):
        FolderSource(tmp_path)
    write_files(tmp_path, {"A.csv": "", "list.csv": "a,b\n1,2\n"})
    with pytest.raises(SourceError, match=r"A\.csv: is empty; .*list\.csv: has no date") as caught:
        FolderSource(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_partitions_know_their_coins_files_and_size_and_travel_light(tmp_path: Path) -> None:
    files = {f"C{i:02d}.csv": listing(*["2017-09-22,1,2,1,1.5,10,10"] * 100) for i in range(40)}
    source = FolderSource(write_files(tmp_path, files))
    partitions = source.partitions(source.coins, 4)
    assert [coin for p in partitions for coin in p.coins] == source.coins
    assert [len(p.coins) for p in partitions] == [10] * 4
    assert [Path(path).name for p in partitions for path in p.paths] == sorted(files)
    assert all(200 < p.rows < 1_500 for p in partitions)
    assert len(pickle.dumps(partitions[0])) < 3_000
    assert len(source.partitions(source.coins)) == MIN_PARTITIONS
    picked = source.partitions(["C03", "C20"], 1)
    assert [p.coins for p in picked] == [("C03", "C20")]
    assert picked[0].read()["coin"].tolist() == ["C03", "C20"]


def test_findings_do_not_depend_on_partitions_and_come_in_order(tmp_path: Path) -> None:
    files = {f"C{i}.csv": GOOD + "bad,1,1,1,1,1,1\n" for i in range(5)} | {"B.csv": ""}
    source = FolderSource(write_files(tmp_path, files))
    assert told(lost(source.findings())) == [
        ("unreadable_file", "B.csv", 0),
        *[("unreadable_row", f"C{i}.csv", 4) for i in range(5)],
    ]


costs = st.lists(st.integers(0, 1_000_000), max_size=60)


@few
@given(costs, st.one_of(st.none(), st.integers(1, 80)))
@example([1, 1, 1, 10**6], 3)
@example([10**6, 1, 1, 1], 3)
@example([0, 0, 0], 2)
@example([0, 0, 9, 0, 0], 5)
def test_runs_cover_all_coins_in_order_and_none_is_empty(costs: list[int], n: int | None) -> None:
    runs = pack(costs, n)
    assert [i for a, b in runs for i in range(a, b)] == list(range(len(costs)))
    assert all(b > a for a, b in runs)
    wanted = n or max(MIN_PARTITIONS, -(-sum(costs) // ROWS_PER_PARTITION))
    assert len(runs) == min(wanted, len(costs))


@few
@given(costs, st.integers(1, 80))
@example([1, 1, 1, 10**6], 3)
@example([10**6, 1, 1, 1], 3)
def test_no_run_costs_more_than_its_share_and_one_coin(costs: list[int], n: int) -> None:
    for a, b in pack(costs, n):
        assert sum(costs[a:b]) <= sum(costs) / min(n, len(costs)) + max(costs)


def test_equal_coins_are_packed_evenly() -> None:
    assert [b - a for a, b in pack([500] * 100, 4)] == [25] * 4
    assert {b - a for a, b in pack(np.full(1_000, 7), 3)} <= {333, 334}


def test_many_rows_make_many_partitions() -> None:
    runs = pack([ROWS_PER_PARTITION // 10] * 300)
    assert len(runs) == 30
    assert {b - a for a, b in runs} == {10}


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_run_is_refused(n: int) -> None:
    with pytest.raises(OptionError, match=f"partitions: must be at least 1, got {n}"):
        pack([1, 2, 3], n)


@few
@given(
    st.lists(st.integers(1, ROWS_PER_PARTITION // 2), min_size=1, max_size=60),
    st.sets(st.integers(1, 59)).map(sorted),
)
def test_files_are_cut_only_where_they_are_too_large(
    rows: list[int], file_boundaries: list[int]
) -> None:
    file_boundaries = [i for i in file_boundaries if i < len(rows)]
    runs = pack_files(np.array(rows), np.array(file_boundaries, dtype=np.int64))
    assert [i for a, b in runs for i in range(a, b)] == list(range(len(rows)))
    assert all(b > a for a, b in runs)
    starts = {a for a, _ in runs}
    edges = [0, *file_boundaries, len(rows)]
    for a, b in pairwise(edges):
        cut = [i for i in range(a + 1, b) if i in starts]
        assert not cut or sum(rows[a:b]) > SLACK * ROWS_PER_PARTITION
        assert not cut or a in starts
    for a, b in runs:
        most = ROWS_PER_PARTITION * SLACK if {a, b} <= set(edges) else 1.5 * ROWS_PER_PARTITION
        assert sum(rows[a:b]) <= most
        assert sum(a < i < b for i in file_boundaries) < MOST_FILES


def test_files_of_the_usual_size_are_partitions_as_they_are_and_small_ones_are_joined() -> None:
    file_boundaries = np.arange(20, 100, 20)  # of files of twenty coins
    each = [(0, 20), (20, 40), (40, 60), (60, 80), (80, 100)]
    usual = np.full(100, ROWS_PER_PARTITION // 20)
    assert pack_files(usual, file_boundaries) == each
    assert pack_files(usual + 100, file_boundaries) == each
    assert pack_files(usual // 5, file_boundaries) == [(0, 100)]
    assert pack_files(usual // 2, file_boundaries) == [(0, 40), (40, 80), (80, 100)]
    assert pack_files(usual[:50], np.array([10, 30])) == [(0, 10), (10, 30), (30, 50)]
    assert pack_files(usual[:40] * 2, np.array([20])) == [(0, 10), (10, 20), (20, 30), (30, 40)]
