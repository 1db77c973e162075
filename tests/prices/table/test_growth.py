"""Tables that grow: what is in them, and what no kill, second writer or old reader can spoil."""

import json
import multiprocessing
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cryptodask.prices.table.table_partition
from cryptodask.errors import InputError, OptionError, PolicyError, SourceError, TableError
from cryptodask.io.sealed import sealed
from cryptodask.prices import CryptoLoader, PriceTable, ReadOptions, read_files, write_table
from cryptodask.prices.clean.findings import empty_findings, file_finding
from cryptodask.prices.freq import step_of
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import as_price_dtypes
from cryptodask.prices.table.manifest import TABLE_MANIFEST, files_of
from cryptodask.prices.table.storage import writing
from tests.examples import examples

DAY = np.timedelta64(1, "D")
START = np.datetime64("2026-01-01")


def prices(*rows: tuple[str, int, float], **columns: Any) -> pd.DataFrame:
    """Rows of (coin, days since the first of January, close)."""
    coins, days, closes = zip(*rows, strict=True)
    frame = pd.DataFrame({"coin": coins, "date": START + np.array(days) * DAY, "close": closes})
    amounts = dict.fromkeys(("volume", "market_cap"), np.nan)
    filled = frame.assign(open=frame["close"], high=frame["close"], low=frame["close"], **amounts)
    return as_price_dtypes(filled).assign(**columns)


def grid(coins: str, days: range, close: float = 1.0) -> pd.DataFrame:
    return prices(*((coin, day, close) for coin in coins for day in days))


def new_table(path: Path, *parts: pd.DataFrame, empty: dict[str, str] | None = None) -> PriceTable:
    readings = [Reading(part, empty_findings()) for part in parts]
    return write_table(path, readings, empty=empty or {}, notes=empty_findings())


BAD_NAMES = [
    "E\x1b[31mcoin", "E\ncoin", " Ecoin", "Ecoin ", "Eco\u0301in", "E\u202ecoin", "E\xa0coin", "",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_no_table_is_written_of_a_coin_whose_name_no_table_has(tmp_path: Path, name: str) -> None:
    parts = [grid("AB", range(3)), grid("E", range(3)).assign(coin=name)]
    with pytest.raises(InputError, match="no name of a coin: it must be a text that can") as caught:
        new_table(tmp_path / "table", *parts)
    assert repr(name) in str(caught.value) or ascii(name) in str(caught.value)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "table").exists()
    with pytest.raises(InputError, match="no name of a coin"):
        new_table(tmp_path / "table", parts[0], empty={name: "no row"})
    with pytest.raises(InputError, match="no name of a coin"):
        new_table(tmp_path / "table", parts[0]).append(parts[1])


def test_no_table_is_written_of_coins_that_differ_by_case_alone(tmp_path: Path) -> None:
    parts = [grid("AB", range(3)), grid("C", range(3)).assign(coin="b")]
    with pytest.raises(InputError, match="b: is 'B' but for its case"):
        new_table(tmp_path / "table", *parts)


@pytest.fixture
def table(tmp_path: Path) -> PriceTable:
    """Coins A to D of three days, in two parts."""
    return new_table(
        tmp_path / "table", grid("AB", range(3)), grid("CD", range(3)), empty={"E": "no row"}
    )


def everything(table: PriceTable, n: int | None = None) -> pd.DataFrame:
    return pd.concat([p.read() for p in table.partitions(table.coins, n)], ignore_index=True)


def files(table: PriceTable) -> set[str]:
    return {file.name for file in table.path.iterdir()}


def sort(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(frames).sort_values(["coin", "date"], ignore_index=True)


def check_index(table: PriceTable, rows: pd.DataFrame) -> None:
    """The index must say what the rows say."""
    dates = rows.groupby("coin")["date"]
    wanted = pd.DataFrame({"rows": dates.size(), "first": dates.min(), "last": dates.max()})
    found = table.index.set_index("coin")[["rows", "first", "last"]]
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_index_type=False)
    assert len(table) == len(rows)


def test_new_days_of_old_coins_and_new_coins_are_added(table: PriceTable) -> None:
    before = everything(table)
    more = prices(("A", 3, 2.0), ("BB", 0, 3.0), ("D", -1, 4.0), ("0", 1, 5.0), ("Z", 1, 6.0))
    result = table.append(more)
    assert (result.new_rows, result.corrected_rows, result.unchanged_rows) == (5, 0, 0)
    assert (result.new_coins, result.generation) == (("0", "BB", "Z"), 2)
    assert table.coins == ["0", "A", "B", "BB", "C", "D", "Z"]
    for opened in (table, PriceTable(table.path)):
        pd.testing.assert_frame_equal(everything(opened), sort(before, more))
        check_index(opened, sort(before, more))


def test_a_coin_that_had_no_row_gets_its_first(table: PriceTable) -> None:
    assert table.empty == {"E": "no row"}
    assert table.append(prices(("E", 0, 1.0))).new_coins == ("E",)
    assert (table.empty, table.coins) == ({}, ["A", "B", "C", "D", "E"])


def test_what_is_there_already_is_not_written_again(table: PriceTable) -> None:
    more = sort(grid("ABCD", range(1, 5), 1.0), grid("F", range(2)))
    first = table.append(more)
    assert (first.new_rows, first.unchanged_rows, first.generation) == (10, 8, 2)
    had = files(table)
    for again in (more, more[:3], more[::-1], everything(table), more[:0]):
        result = table.append(again)
        assert (result.new_rows, result.corrected_rows, result.generation) == (0, 0, 2)
        assert result.unchanged_rows == len(again)
    assert files(table) == had


def test_a_correction_replaces_and_is_told_with_its_place(table: PriceTable) -> None:
    row = prices(("B", 1, 7.5)).assign(file="b.csv", line=9)
    result = table.append(row)
    assert (result.corrected_rows, result.new_rows, len(table)) == (1, 0, 12)
    [told] = table.findings().itertuples()
    assert (told.kind, told.coin, told.file, told.line) == ("corrected_row", "B", "b.csv", 9)
    assert told.value == "7.5"
    assert told.message.endswith("close 1 -> 7.5")
    pd.testing.assert_frame_equal(result.findings, table.findings())
    closes = everything(table)["close"].tolist()
    assert closes == [1.0, 1.0, 1.0, 1.0, 7.5, *[1.0] * 7]
    check_index(table, everything(table))


def test_a_correction_may_be_corrected_and_taken_back(table: PriceTable) -> None:
    for close in (2.0, 3.0, 1.0):
        table.append(prices(("B", 1, close)))
        assert everything(table)["close"][4] == close
    assert table.generation == 4
    table.compact()
    assert everything(table)["close"].tolist() == [1.0] * 12


def test_old_rows_may_be_kept(table: PriceTable) -> None:
    result = table.append(prices(("B", 1, 7.5), ("B", 3, 1.25)), corrections="keep")
    assert (result.kept_rows, result.corrected_rows, result.new_rows) == (1, 0, 1)
    assert result.findings["kind"].tolist() == ["kept_old_row"]
    assert everything(table)["close"].tolist() == [1.0] * 6 + [1.25] + [1.0] * 6
    again = table.append(prices(("B", 1, 7.5)), corrections="keep")
    assert (again.kept_rows, again.generation) == (1, 2)


def test_by_fail_one_row_that_differs_refuses_all(table: PriceTable) -> None:
    had, rows = files(table), everything(table)
    with pytest.raises(
        InputError, match=r"B, 2026-01-02: .*close 1 -> 7\.5.*choose corrections: replace"
    ):
        table.append(prices(("B", 1, 7.5), ("F", 3, 2.0)), corrections="fail")
    assert files(table) == had
    pd.testing.assert_frame_equal(everything(PriceTable(table.path)), rows)
    assert table.append(prices(("F", 3, 2.0)), corrections="fail").new_rows == 1


def test_wrong_rows_findings_policies_and_names_are_refused_before_anything_is_written(
    table: PriceTable,
) -> None:
    had = files(table)
    row = prices(("A", 9, 1.0))
    with pytest.raises(InputError, match=r"A, 2026-01-10: close -1.0: must be above 0"):
        table.append(row.assign(close=-1.0))
    with pytest.raises(OptionError, match="corrections: must be one of"):
        table.append(row, corrections="ask")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="findings: no column kind, coin"):
        table.append(row, findings=pd.DataFrame({"what": ["x"]}))
    with pytest.raises(InputError, match="a: is 'A' but for its case"):
        table.append(row.assign(coin="a"))
    with pytest.raises(InputError, match="ß: is 'SS' but for its case"):
        table.append(prices(("ß", 1, 1.0), ("SS", 1, 1.0)))
    for n in (0, -1):
        with pytest.raises(OptionError, match=f"partitions: must be at least 1, got {n}"):
            table.compact(n)
    assert files(table) == had


def test_findings_of_files_are_kept_and_told_once(table: PriceTable) -> None:
    told = file_finding("missing_value", "A", "a.csv", "volume", line=3)
    first = table.append_reading(Reading(prices(("A", 3, 1.0)), told))
    pd.testing.assert_frame_equal(first.findings, told)
    other = file_finding("zero_volume", "A", "a.csv", "", line=4)
    table.append(prices(("A", 4, 1.2)), findings=pd.concat([other, told]))
    table.append(prices(("A", 5, 1.0)))
    for _ in range(2):
        assert table.findings()["line"].tolist() == [3, 4]
        table.compact()


def test_partitions_keep_every_coin_whole_however_they_are_packed(table: PriceTable) -> None:
    table.append(sort(grid("ABCD", range(3, 6)), grid("EF", range(2))))
    table.append(prices(("A", 0, 9.0), ("BA", 0, 1.0)))
    whole = everything(table)
    assert [p.coins for p in table.partitions(table.coins)] == [
        ("A", "B", "BA"), ("C", "D", "E", "F"),
    ]  # fmt: skip
    for n in (1, 2, 3, 7, 20):
        partitions = table.partitions(table.coins, n)
        assert [coin for p in partitions for coin in p.coins] == table.coins
        for partition in partitions:
            rows = partition.read()
            assert len(rows) == partition.rows
            wanted = whole[whole["coin"].isin(partition.coins)].reset_index(drop=True)
            pd.testing.assert_frame_equal(rows, wanted)
    [some] = table.partitions(["A", "F"], 1)
    assert some.read()["coin"].unique().tolist() == ["A", "F"]


def test_a_partition_reads_only_the_deltas_that_have_its_coins(table: PriceTable) -> None:
    table.append(prices(("A", 4, 1.0)))
    table.append(prices(("C", 4, 1.0), ("D", 4, 1.0)))
    first, second = table.partitions(table.coins)
    assert [len(first.paths), len(second.paths)] == [2, 2]
    assert first.deltas != second.deltas
    assert table.partitions(["B"])[0].deltas == ()
    assert all(Path(path).is_file() for path in first.paths + second.paths)


def test_appending_a_new_day_reads_no_row_of_the_table(
    table: PriceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: str, *args: Any) -> Any:
        read.append(Path(path).name)
        return real(path, *args)

    real = cryptodask.prices.table.table_partition._read_file
    monkeypatch.setattr(cryptodask.prices.table.table_partition, "_read_file", counted)
    table.append(sort(grid("ABCD", range(3, 5)), grid("F", range(9))))
    assert read == []
    table.append(prices(("A", 1, 1.0), ("A", 9, 1.0), ("D", 9, 1.0)))  # a day of A that it has
    assert read == [table.manifest["parts"][0], table.manifest["deltas"][0]["rows"]]


def test_a_dask_dataframe_of_a_table_that_grew_equals_the_pandas_one(table: PriceTable) -> None:
    table.append(sort(grid("ABCD", range(3, 6)), grid("EF", range(2))))
    table.append(prices(("A", 0, 9.0), ("BA", 0, 1.0)))
    for n in (None, 3):
        loader = CryptoLoader(table.path, partitions=n)
        ddf = loader.get_ddf().compute(scheduler="synchronous")
        pd.testing.assert_frame_equal(ddf.reset_index(), loader.get_df())
    assert loader.get_prices("A").tolist() == [9.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_a_reader_of_an_older_generation_goes_on(table: PriceTable) -> None:
    reader, rows = PriceTable(table.path), everything(table)
    findings = reader.findings()
    partitions = reader.partitions(reader.coins)
    table.append(prices(("A", 0, 9.0), ("BA", 0, 1.0), ("A", 9, 1.0)))
    table.append(prices(("A", 0, 8.0)))
    table.compact()
    pd.testing.assert_frame_equal(everything(reader), rows)
    pd.testing.assert_frame_equal(reader.findings(), findings)
    read = pd.concat([p.read() for p in partitions], ignore_index=True)
    pd.testing.assert_frame_equal(read, rows)
    table.append(prices(("A", 0, 7.0)))  # the files before the last compaction go now
    with pytest.raises(TableError, match="open the table again if it was replaced"):
        everything(reader)
    reader.refresh()
    assert everything(reader)["close"][0] == 7.0


def test_an_old_object_appends_to_the_table_as_it_is_now(table: PriceTable) -> None:
    old = PriceTable(table.path)
    table.append(prices(("A", 9, 2.0)))
    result = old.append(prices(("A", 9, 2.0), ("A", 10, 2.0)))
    assert (result.new_rows, result.unchanged_rows, result.generation) == (1, 1, 3)
    check_index(old, everything(PriceTable(table.path)))


def test_compacting_changes_files_and_neither_rows_nor_findings(table: PriceTable) -> None:
    told = file_finding("missing_value", "A", "a.csv", "volume", line=3)
    table.append(sort(grid("ABCD", range(3, 6)), grid("FG", range(2))), findings=told)
    table.append(prices(("A", 0, 9.0), ("BA", 0, 1.0)))
    rows, findings, index = everything(table), table.findings(), table.index
    table.compact(partitions=3)
    assert (table.generation, len(table.manifest["parts"]), table.manifest["deltas"]) == (4, 3, [])
    for opened in (table, PriceTable(table.path)):
        pd.testing.assert_frame_equal(everything(opened), rows)
        pd.testing.assert_frame_equal(opened.findings(), findings)
        pd.testing.assert_frame_equal(opened.index.drop(columns="part"), index.drop(columns="part"))
        assert opened.empty == {"E": "no row"}
    table.compact()
    assert table.generation == 4  # there was nothing to do
    table.compact(partitions=1)
    assert files(table) >= {TABLE_MANIFEST, *files_of(table.manifest)}
    table.append(prices(("A", 0, 8.0)))
    table.append(prices(("A", 0, 7.0)))
    assert len(files(table) - {TABLE_MANIFEST, *files_of(table.manifest)}) == 1  # the index before


def test_a_damaged_delta_is_named_with_advice(table: PriceTable) -> None:
    table.append(prices(("A", 9, 2.0)))
    path = table.path / table.manifest["deltas"][0]["rows"]
    path.write_bytes(path.read_bytes()[:100])
    opened = PriceTable(table.path)
    with pytest.raises(TableError, match=f"{path.name}.*can't be read: .*with --overwrite"):
        everything(opened)
    with pytest.raises(TableError, match="can't be read"):
        opened.compact()
    [sound] = opened.partitions(["C"])
    assert len(sound.read()) == 3


@pytest.mark.parametrize("changes", [{"last": "0"}, {"first": "Z"}, {"rows": None}])
def test_a_delta_that_is_not_read_or_not_the_right_one_is_found(
    table: PriceTable, changes: dict[str, Any]
) -> None:
    table.append(prices(("A", 9, 2.0)))
    table.append(prices(("A", 10, 2.0), ("A", 11, 2.0)))
    manifest = json.loads((table.path / TABLE_MANIFEST).read_text())
    first, second = manifest["deltas"]
    first |= changes if "rows" not in changes else {"rows": second["rows"]}
    del manifest["checksum"]
    (table.path / TABLE_MANIFEST).write_text(json.dumps(sealed(manifest)))
    with pytest.raises(TableError, match=r"rows of A to B, the table's index says 9; import again"):
        everything(PriceTable(table.path))


def test_no_table_grows_where_none_is(table: PriceTable) -> None:
    shutil.rmtree(table.path)
    with pytest.raises(SourceError, match="no price table"):
        table.append(prices(("A", 9, 2.0)))
    assert not table.path.exists()


COINS = st.sampled_from(["A", "B", "Ba", "C", "é", "币"])
ROWS = st.dictionaries(
    st.tuples(COINS, st.integers(0, 6)), st.sampled_from([1.0, 2.5, 3.25]), min_size=1, max_size=10
)
STEPS = st.one_of(
    st.tuples(st.just("append"), ROWS, st.sampled_from(["replace", "keep"])),
    st.tuples(st.just("compact"), st.integers(1, 4), st.none()),
)


@pytest.mark.slow
@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=ROWS, steps=st.lists(STEPS, max_size=6))
def test_a_table_is_what_a_dictionary_of_days_is_after_any_steps(
    first: dict, steps: list[tuple]
) -> None:
    def frame(rows: dict) -> pd.DataFrame:
        return sort(prices(*((coin, day, close) for (coin, day), close in rows.items())))

    with tempfile.TemporaryDirectory() as folder:
        table, model = new_table(Path(folder) / "table", frame(first)), dict(first)
        for step, what, policy in steps:
            if step == "compact":
                table.compact(what)
            else:
                had = dict(model)
                model = what | model if policy == "keep" else model | what
                result = table.append(frame(what), corrections=policy)
                assert result.new_rows == len(model) - len(had)
                assert result.corrected_rows == sum(had[key] != model[key] for key in had)
                assert set(result.new_coins) == {c for c, _ in model} - {c for c, _ in had}
            opened = PriceTable(folder + "/table")
            for each in (opened, table):
                pd.testing.assert_frame_equal(everything(each), frame(model))
            pd.testing.assert_frame_equal(everything(opened, 2), frame(model))
            check_index(opened, frame(model))


# What may stop a writer, one step after the other, in this process.


def test_at_every_step_of_writing_the_table_is_the_old_or_the_new_one(
    table: PriceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[Path] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            copies.append(Path(shutil.copytree(table.path, tmp_path / f"{len(copies)}-{name}")))
            return real(*args, **kwargs)

        return step

    old = everything(table)
    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, watched(name, getattr(owner, name)))
    table.append(prices(("A", 0, 9.0), ("BA", 0, 1.0)))
    appended = everything(table)
    table.compact(1)
    monkeypatch.undo()
    generations = []
    for copy in copies:
        opened = PriceTable(copy)
        rows = everything(opened)
        generations.append(opened.generation)
        pd.testing.assert_frame_equal(rows, old if opened.generation == 1 else appended)
        opened.append(prices(("A", 0, 10.0)))  # and the next writer cleans up
        spare = files(opened) - {TABLE_MANIFEST, *files_of(opened.manifest)}
        assert not any(name.endswith((".json", ".lock")) for name in spare)
    assert generations == sorted(generations)
    assert set(generations) == {1, 2, 3}


@pytest.mark.parametrize(("step", "after"), [*(("fsync", n) for n in range(5)), ("replace", 0)])
def test_a_step_that_fails_leaves_the_old_table_and_no_file(
    table: PriceTable, monkeypatch: pytest.MonkeyPatch, step: str, after: int
) -> None:
    owner: Any = os if step == "fsync" else Path
    real, calls = getattr(owner, step), []

    def failing(*args: Any) -> Any:
        calls.append(args)
        if len(calls) > after:
            raise OSError(28, "No space left on device")
        return real(*args)

    had = {file: file.read_bytes() for file in table.path.iterdir()}
    monkeypatch.setattr(owner, step, failing)
    with pytest.raises(TableError, match="can't be written: No space left on device; nothing was"):
        table.append(prices(("A", 0, 9.0)))
    monkeypatch.undo()
    assert {file: file.read_bytes() for file in table.path.iterdir()} == had


def test_a_failure_after_publishing_takes_nothing_back(
    table: PriceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def stopped(self: Path, target: Path) -> None:
        real(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        table.append(prices(("A", 0, 9.0)))
    assert everything(PriceTable(table.path))["close"][0] == 9.0


def test_a_change_in_spite_of_the_lock_is_found_and_nothing_is_written(table: PriceTable) -> None:
    def change() -> Iterator[Reading]:
        (table.path / "writer.lock").unlink()  # as where a file system keeps no locks
        PriceTable(table.path).append(prices(("A", 0, 9.0)))
        yield Reading(grid("Z", range(2)), empty_findings())

    with pytest.raises(TableError, match="another process changed the table meanwhile"):
        write_table(table.path, change(), empty={}, notes=empty_findings())
    assert everything(PriceTable(table.path))["close"][0] == 9.0
    assert len(files(table) - {TABLE_MANIFEST, *files_of(PriceTable(table.path).manifest)}) == 1


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_the_lock_is_not_taken_through_a_link(table: PriceTable, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (table.path / "writer.lock").symlink_to(tmp_path / "mine")
    with pytest.raises(TableError, match=r"writer\.lock: can't be written"):
        table.append(prices(("A", 0, 9.0)))
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TableError, match=r"file: can't be written: .*; nothing was changed"):
        new_table(tmp_path / "file", grid("A", range(2)))


# Writers in processes of their own. They are forked from one that has imported everything, so
# that a kill costs milliseconds.


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def hold(path: Path, pipe: Connection) -> None:
    with writing(path):
        pipe.send("held")
        pipe.recv()


def append_to(path: Path, frame: pd.DataFrame, pipe: Connection) -> None:
    table = PriceTable(path)
    pipe.send("ready")
    try:
        table.append(frame)
        pipe.send("done")
    except TableError as error:
        pipe.send(str(error))


def append_until_done(path: Path, frame: pd.DataFrame) -> None:
    while True:
        try:
            PriceTable(path).append(frame)
            return
        except TableError:
            time.sleep(0.01)


def test_of_two_writers_one_wins_and_the_other_is_told_who(
    table: PriceTable, processes: Any
) -> None:
    mine, theirs = processes.Pipe()
    holder = processes.Process(target=hold, args=(table.path, theirs))
    holder.start()
    assert mine.recv() == "held"
    started = time.monotonic()
    message = rf"is being written by process {holder.pid} on .* since .* UTC; nothing was changed"
    with pytest.raises(TableError, match=message):
        table.append(prices(("A", 9, 1.0)))
    with pytest.raises(TableError, match=message):
        table.compact(1)
    with pytest.raises(TableError, match=message):
        new_table(table.path, grid("Z", range(2)))
    assert time.monotonic() - started < 5
    assert len(everything(PriceTable(table.path))) == 12  # reading goes on
    holder.kill()
    holder.join()
    assert table.append(prices(("A", 9, 1.0))).generation == 2  # no kill leaves it locked
    assert "writer.lock" not in files(table)


@pytest.mark.slow
def test_many_writers_that_try_again_lose_no_row(table: PriceTable, processes: Any) -> None:
    frames = [grid(coin, range(2, 6)) for coin in "ABCDXYZ"]
    writers = [processes.Process(target=append_until_done, args=(table.path, f)) for f in frames]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    table.refresh()
    assert table.generation == 8
    wanted = sort(grid("ABCD", range(6)), grid("XYZ", range(2, 6)))
    pd.testing.assert_frame_equal(everything(table), wanted)
    check_index(table, wanted)


@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_leaves_the_old_table_or_the_new_one(
    tmp_path: Path, processes: Any
) -> None:
    coins = [f"C{i:03d}" for i in range(300)]
    model = {(coin, day): 1.0 for coin in coins for day in range(5)}

    def frame(rows: dict) -> pd.DataFrame:
        return sort(prices(*((coin, day, close) for (coin, day), close in rows.items())))

    table = new_table(tmp_path / "table", frame(model))
    draw, kills, old, took = random.Random(0), 0, 0, 0.0
    rounds = 0
    while kills < 50:
        rounds += 1
        assert rounds < 400, "writers end before they can be killed"
        # Corrections of old days, a new day and a new coin.
        new = {(coin, draw.randrange(5 + rounds)): 1.0 + rounds for coin in draw.sample(coins, 40)}
        new[f"N{rounds:03d}", 0] = 1.0
        mine, theirs = processes.Pipe()
        writer = processes.Process(target=append_to, args=(table.path, frame(new), theirs))
        writer.start()
        assert mine.recv() == "ready"
        started = time.perf_counter()
        if rounds > 1:  # the first tells how long it takes
            time.sleep(draw.uniform(0, 1.1 * took))
            writer.kill()
        writer.join()
        took = took or time.perf_counter() - started
        kills += writer.exitcode == -9
        opened = PriceTable(table.path)
        assert opened.generation in (table.generation, table.generation + 1)
        if opened.generation == table.generation:
            old += 1
        else:
            model |= new
        pd.testing.assert_frame_equal(everything(opened), frame(model))
        check_index(opened, frame(model))
        table = opened
    assert 0 < old < rounds
    table.append(prices(("last", 0, 1.0)))
    assert len(files(table) - {TABLE_MANIFEST, *files_of(table.manifest)}) == 1  # the index before


# How long bars last, and what is done about what is odd in the rows that come.


def told_of(found: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Findings by coin, moment and kind: kind, coin, day (and hour), value, and what was done."""
    found = found.sort_values(["coin", "date", "kind"])
    days = found["date"].dt.strftime("%d %H").str.removesuffix(" 00")
    some = found.assign(day=days)[["kind", "coin", "day", "value", "action"]]
    return list(some.itertuples(index=False, name=None))


def table_of(path: Path, rows: pd.DataFrame, freq: str = "1d", **policies: str) -> PriceTable:
    reading = Reading(as_price_dtypes(rows), empty_findings())
    return write_table(
        path, [reading], empty={}, notes=empty_findings(), freq=freq, policies=policies
    )


def bars(freq: str, *rows: tuple[str, int, float], **columns: Any) -> pd.DataFrame:
    """Rows of (coin, bars since the first of January, close)."""
    frame = prices(*rows, **columns)
    numbers = (frame["date"].to_numpy() - START) // DAY
    return frame.assign(date=START.astype("datetime64[s]") + numbers * step_of(freq))


@pytest.mark.parametrize("freq", ["1h", "4h"])
def test_a_table_of_hours_grows_by_hours(tmp_path: Path, freq: str) -> None:
    before = bars(freq, ("A", 0, 1.0), ("A", 1, 2.0), ("B", 0, 1.0))
    table = table_of(tmp_path / "table", before, freq)
    more = bars(freq, ("A", 2, 3.0), ("B", 1, 2.0), ("C", 5, 4.0))
    result = table.append(more)
    assert (result.new_rows, result.new_coins) == (3, ("C",))
    assert told_of(result.findings) == [  # as of a table that had them all
        ("large_move", "B", f"01 {'01' if freq == '1h' else '04'}", "+100%", "keep")
    ]
    again = table.append(bars(freq, ("A", 1, 2.5), ("A", 2, 3.0)))
    assert (again.corrected_rows, again.unchanged_rows) == (1, 1)
    changed = before.assign(close=[1.0, 2.5, 1.0], open=[1.0, 2.5, 1.0], high=[1.0, 2.5, 1.0],
                            low=[1.0, 2.5, 1.0])  # fmt: skip
    for opened in (table, PriceTable(table.path)):
        assert opened.freq == freq
        pd.testing.assert_frame_equal(everything(opened), sort(changed, more))
        check_index(opened, sort(changed, more))


def test_rows_that_are_no_bars_of_the_table_are_refused_and_nothing_is_written(
    tmp_path: Path, table: PriceTable
) -> None:
    hourly = table_of(tmp_path / "hourly", bars("1h", ("A", 0, 1.0)), "1h")
    had, had_hourly = files(table), files(hourly)
    with pytest.raises(InputError, match=r"A, 2026-01-01: date 2026-01-01 01:00:00: no day"):
        table.append(bars("1h", ("A", 1, 1.0)))
    off = bars("1h", ("A", 1, 1.0), ("A", 2, 1.0))
    off["date"] += pd.Timedelta("1min")
    with pytest.raises(InputError, match=r"01:01:00: no hour begins then.*\(2 such rows\)"):
        hourly.append(off)
    with pytest.raises(InputError, match="all rows are daily bars, and this table has hourly bars"):
        hourly.append(grid("AB", range(1, 5)))
    with pytest.raises(InputError, match="all rows are bars of 4h"):
        hourly.append_reading(Reading(bars("4h", *(("A", i, 1.0) for i in range(3))),
                                      empty_findings()))  # fmt: skip
    assert (files(table), files(hourly)) == (had, had_hourly)


def test_what_is_odd_in_rows_that_are_appended_is_told_and_kept_with_the_table(
    table: PriceTable,
) -> None:
    rows = prices(("A", 3, 1.0), ("A", 4, 9.0), ("B", 3, 1.0), ("N", 0, 1.0))
    rows["volume"] = [0.0, 1.0, 1.0, 1.0]
    rows.loc[2, "low"] = 2.0
    for _ in range(2):
        result = table.append(rows)
        assert told_of(result.findings) == [
            ("zero_volume", "A", "04", "0", "keep"), ("large_move", "A", "05", "+800%", "keep"),
            ("high_under_low", "B", "04", "1", "keep"),
        ]  # fmt: skip
    assert (result.new_rows, result.unchanged_rows) == (0, 4)
    for opened in (table, PriceTable(table.path)):
        pd.testing.assert_frame_equal(opened.findings(), result.findings)
    assert (result.findings["file"] == "").all()


def test_rows_that_are_appended_go_by_the_policies_of_the_table(tmp_path: Path) -> None:
    table = table_of(
        tmp_path / "table", grid("AB", range(3)), zero_volume="drop", high_under_low="repair"
    )
    assert table.policies == {"zero_volume": "drop", "high_under_low": "repair:swap"}
    rows = prices(("A", 3, 1.0), ("A", 4, 1.5), ("B", 3, 1.0), ("B", 4, 1.25))
    rows = rows.assign(volume=[1.0, 0.0, 0.0, 1.0], high=[0.5, 2.0, 2.0, 2.0])
    result = table.append(rows)
    assert (result.new_rows, len(table)) == (2, 8)
    assert told_of(result.findings) == [
        ("high_under_low", "A", "04", "0.5", "repair:swap"),
        ("zero_volume", "A", "05", "0", "drop"),
        ("gap", "B", "03", "1", "keep"), ("zero_volume", "B", "04", "0", "drop"),
    ]  # fmt: skip
    added = everything(table)[lambda frame: frame["volume"].notna()]
    assert added[["coin", "low", "high"]].to_numpy().tolist() == [["A", 0.5, 1.0], ["B", 1.25, 2.0]]
    only_bad = table.append(rows[1:2])
    assert (only_bad.new_rows, only_bad.generation) == (0, 2)
    assert told_of(only_bad.findings)[-1] == ("zero_volume", "A", "05", "0", "drop")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("zero_volume", {"volume": 0.0}), ("high_under_low", {"high": 0.5}),
        ("outside_range", {"open": 9.0}), ("gap", {"date": pd.Timestamp("2026-01-09")}),
        ("future_date", {"date": pd.Timestamp("2199-01-01")}),
    ],
)  # fmt: skip
def test_what_a_policy_of_the_table_does_not_let_pass_is_refused_and_nothing_is_written(
    tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    table = table_of(tmp_path / "table", grid("AB", range(3)), **{kind: "fail"})
    had, rows = files(table), everything(table)
    sound = prices(("A", 3, 1.0), ("B", 3, 1.0))
    bad = sound.assign(file="day.csv", line=[2, 3])
    for name, value in changes.items():
        bad.loc[1, name] = value
    with pytest.raises(PolicyError, match=rf"B, .*: {kind}.*the policy for it is to fail; 1 found"):
        table.append(bad)
    assert files(table) == had
    pd.testing.assert_frame_equal(everything(PriceTable(table.path)), rows)
    assert table.generation == 1
    result = table.append(sound)
    assert (result.new_rows, result.generation) == (2, 2)


def test_a_gap_between_a_table_and_the_rows_that_come_is_told(table: PriceTable) -> None:
    result = table.append(prices(("A", 5, 1.2), ("A", 9, 1.0), ("B", 3, 1.0), ("C", -3, 1.0)))
    assert told_of(result.findings) == [
        ("gap", "A", "03", "2", "keep"), ("gap", "A", "06", "3", "keep"),
        ("gap", "C", "29", "2", "keep"),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(table.findings(), result.findings)
    filling = table.append(prices(("A", 3, 1.0), ("A", 6, 1.0), ("C", -1, 1.0)))
    assert told_of(filling.findings) == [  # what is left of the gaps
        ("gap", "A", "04", "1", "keep"), ("gap", "A", "07", "2", "keep"),
        ("gap", "C", "29", "1", "keep"), ("stale_run", "C", "29", "5", "keep"),
    ]  # fmt: skip
    assert told_of(table.findings()) == told_of(filling.findings)


def test_a_gap_of_the_rows_that_come_is_none_where_the_table_has_those_rows(
    table: PriceTable,
) -> None:
    table.append(grid("A", range(3, 6), 1.2))
    rows = prices(("A", 2, 1.0), ("A", 5, 1.2), ("A", 6, 1.0), ("B", 1, 1.0), ("B", 3, 1.0))
    for _ in range(2):
        assert told_of(table.append(rows).findings) == []
    # Files are read before anything is known of the table: their gaps are not all gaps of it.
    told = file_finding("gap", "A", "a.csv", "days missing after this one", line=3,
                        date=pd.Timestamp("2026-01-03"))  # fmt: skip
    other = file_finding("gap", "A", "a.csv", "days missing after this one", line=4, value="3",
                         date=pd.Timestamp("2026-01-07"))  # fmt: skip
    reading = Reading(prices(("A", 2, 1.0), ("A", 6, 1.0), ("A", 10, 1.0)),
                      pd.concat([told, other], ignore_index=True))  # fmt: skip
    found = table.append_reading(reading).findings
    assert found[["kind", "file", "line"]].to_numpy().tolist() == [["gap", "a.csv", 4]]


def test_gaps_of_hours_are_told_in_bars_of_the_table(tmp_path: Path) -> None:
    table = table_of(tmp_path / "table", bars("4h", ("A", 0, 1.0)), "4h")
    [row] = table.append(bars("4h", ("A", 4, 1.0))).findings.itertuples()
    assert (row.kind, row.value, row.message) == ("gap", "3", "bars of 4h missing after this one")
    assert row.date == pd.Timestamp("2026-01-01")


def test_length_of_bars_and_policies_stay_with_a_table_whatever_is_done_to_it(
    tmp_path: Path,
) -> None:
    policies = {"zero_volume": "repair:missing", "stale_run": "drop", "gap": "keep"}
    table = table_of(tmp_path / "table", bars("1h", ("A", 0, 1.0)), "1h", **policies)
    kept = {"stale_run": "drop", "zero_volume": "repair:missing"}
    steps: list[Callable[[], Any]] = [
        lambda: table.append(bars("1h", ("A", 1, 2.0))), table.compact, lambda: table.compact(1),
        lambda: table.append(bars("1h", ("A", 1, 3.0))),
    ]  # fmt: skip
    for i, step in enumerate(steps, start=2):
        step()
        assert table.generation == i
        for opened in (table, PriceTable(table.path)):
            assert (opened.freq, opened.policies) == ("1h", kept)
    table.policies.clear()
    assert table.policies == kept


def test_a_table_that_says_neither_is_of_days_and_of_the_defaults(table: PriceTable) -> None:
    manifest = json.loads((table.path / TABLE_MANIFEST).read_text())
    for name in ("freq", "policies", "checksum"):
        del manifest[name]
    manifest["version"] = 2
    (table.path / TABLE_MANIFEST).write_text(json.dumps(manifest))
    opened = PriceTable(table.path)
    assert (opened.freq, opened.policies) == ("1d", {})
    opened.append(prices(("A", 3, 1.0)))
    assert json.loads((table.path / TABLE_MANIFEST).read_text())["freq"] == "1d"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freq": "2h"}, "freq: '2h' is none of 1h, 4h, 1d; import again"),
        ({"freq": None}, "freq: None is none of 1h, 4h, 1d; import again"),
        ({"policies": {"oddity": "drop"}}, "policy: no kind of finding 'oddity' .*; import again"),
        ({"policies": {"gap": "drop"}}, "policy gap: must be one of keep, fail, got 'drop'"),
        (
            {"policies": ["gap"]},
            r"policies: must be kinds and actions, got \['gap'\]; import again",
        ),
        ({"policies": None}, "policies: must be kinds and actions, got None; import again"),
    ],
)
def test_a_manifest_of_a_frequency_or_policy_that_is_not_known_is_refused(
    table: PriceTable, changes: dict[str, Any], message: str
) -> None:
    manifest = json.loads((table.path / TABLE_MANIFEST).read_text())
    (table.path / TABLE_MANIFEST).write_text(json.dumps(manifest | changes))
    for open_it in (PriceTable, CryptoLoader):
        with pytest.raises(TableError, match=message):
            open_it(table.path)


def test_no_table_is_written_of_a_frequency_or_policy_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="freq: must be one of 1h, 4h, 1d, got '2h'"):
        table_of(tmp_path / "table", grid("A", range(2)), "2h")
    with pytest.raises(OptionError, match="policy gap: must be one of keep, fail, got 'drop'"):
        table_of(tmp_path / "table", grid("A", range(2)), gap="drop")
    assert not (tmp_path / "table").exists()


def test_a_gap_that_is_not_to_pass_is_none_where_the_table_has_those_rows(tmp_path: Path) -> None:
    table = table_of(tmp_path / "table", grid("A", range(5)), gap="fail")
    assert table.append(prices(("A", 2, 1.0), ("A", 5, 1.0))).new_rows == 1
    with pytest.raises(PolicyError, match="gap"):
        table.append(prices(("A", 9, 1.0)))


@pytest.mark.parametrize("action", ["drop", "fail"])
def test_what_was_done_in_reading_stays_whatever_the_policies_of_the_table(
    tmp_path: Path, action: str
) -> None:
    table = table_of(tmp_path / "table", grid("A", range(5)), stale_run=action)
    rows = "".join(f"2026-01-{day:02d},7\n" for day in range(6, 12))
    (tmp_path / "A.csv").write_text("Date,Close\n" + rows)
    kept = ReadOptions(freq="1d", policies=table.policies | {"stale_run": "keep"})
    result = table.append_reading(
        read_files([tmp_path / "A.csv"], kept), policies={"large_move": "keep"}
    )
    assert result.new_rows == 6
    assert ("stale_run", "A", "06", "6", "keep") in told_of(result.findings)
