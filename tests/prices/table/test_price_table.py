import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import OptionError, SourceError, TableError
from cryptodask.prices import CryptoLoader, PriceTable, import_prices, write_table
from cryptodask.prices.clean.findings import empty_findings, lost, summarize_findings
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.panels import to_panel
from cryptodask.prices.read.price_file import PriceFile
from cryptodask.prices.read.readers import read_price_files
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import TABLE_COLUMNS, empty_prices
from cryptodask.prices.table.manifest import TABLE_MANIFEST, is_table
from cryptodask.prices.table.storage import is_free
from tests.prices.conftest import GOOD, HEADER, told, write_files

FILES = {
    "A.csv": GOOD,
    "B.csv": GOOD.replace("1.5,", "2.5,") + "soon,1,1,1,1,1,1\n",
    "C.csv": GOOD.replace("1.5,", "3.5,"),
    "Empty.csv": HEADER + "\n",
    "Hopeless.csv": HEADER + "\nsoon,1,1,1,1,1,1\n",
    "list.csv": "#,Name\n1,A\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "folder", FILES)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as a table of three parts, which nobody changes."""
    place = tmp_path_factory.mktemp("imported")
    return import_prices(write_files(place / "folder", FILES), place / "table", partitions=5).path


@pytest.fixture
def table(imported: Path, tmp_path: Path) -> Path:
    """A copy of that table, to be changed."""
    return shutil.copytree(imported, tmp_path / "table")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder of one other coin."""
    return write_files(tmp_path / "other", {"Z.csv": GOOD})


def contents(table: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in table.iterdir()}


def manifest_of(table: Path) -> dict:
    return json.loads((table / TABLE_MANIFEST).read_text())


def change(table: Path, **changes: object) -> None:
    """Write a manifest with other values; None takes a key away."""
    new = {k: v for k, v in (manifest_of(table) | changes).items() if v is not None}
    (table / TABLE_MANIFEST).write_text(json.dumps(new))


def path_of(table: Path, what: str) -> Path:
    named = manifest_of(table)
    return table / (named["parts"][0] if what == "part" else named[what])


def read_everything(table: Path) -> pd.DataFrame:
    opened = PriceTable(table)
    opened.findings()
    return pd.concat([p.read() for p in opened.partitions(opened.coins)], ignore_index=True)


def test_a_table_holds_the_rows_and_findings_of_its_folder(folder: Path, table: Path) -> None:
    opened, source = PriceTable(table), FolderSource(folder)
    direct = [p.read() for p in source.partitions(source.coins)]
    pd.testing.assert_frame_equal(read_everything(table), pd.concat(direct, ignore_index=True))
    pd.testing.assert_frame_equal(opened.findings(), source.findings())
    assert len(opened) == 6
    assert "3 coins, 6 rows" in repr(opened)


@pytest.mark.parametrize("partitions", [1, 2, 4])
def test_the_number_of_parts_changes_neither_rows_nor_findings(
    folder: Path, table: Path, tmp_path: Path, partitions: int
) -> None:
    packed = import_prices(folder, tmp_path / "packed", partitions=partitions)
    pd.testing.assert_frame_equal(read_everything(packed.path), read_everything(table))
    pd.testing.assert_frame_equal(packed.findings(), PriceTable(table).findings())
    pd.testing.assert_frame_equal(
        packed.index.drop(columns="part"), PriceTable(table).index.drop(columns="part")
    )


def test_the_index_tells_rows_days_and_part_of_every_coin(table: Path) -> None:
    index = PriceTable(table).index
    assert told(index, "coin", "rows", "part") == [("A", 2, 0), ("B", 2, 1), ("C", 2, 2)]
    assert set(index["first"]) == {pd.Timestamp("2017-09-21")}
    assert set(index["last"]) == {pd.Timestamp("2017-09-22")}


def test_coins_without_a_row_are_kept_with_the_reason(table: Path) -> None:
    opened = PriceTable(table)
    assert opened.coins == ["A", "B", "C"]
    assert opened.empty == {
        "Empty": "Empty.csv: has a header and no row; get the file again",
        "Hopeless": (
            "Hopeless: not one row of its file can be read; `cryptodask prices import` says why"
        ),
    }
    assert told(lost(opened.findings())) == [
        ("unreadable_row", "B.csv", 4),
        ("unreadable_file", "Empty.csv", 0),
        ("unreadable_row", "Hopeless.csv", 2),
    ]


def test_by_default_a_partition_is_a_part_and_else_as_many_as_asked_for(table: Path) -> None:
    opened = PriceTable(table)
    names = manifest_of(table)["parts"]
    parts = opened.partitions(["A", "C"])
    assert [(p.coins, p.rows) for p in parts] == [(("A",), 2), (("C",), 2)]
    assert [p.paths for p in parts] == [(str(table / names[0]),), (str(table / names[2]),)]
    [one] = opened.partitions(["A", "C"], 1)
    assert (one.coins, one.rows) == (("A", "C"), 4)
    assert one.read()["coin"].tolist() == ["A", "A", "C", "C"]


def test_picking_coins_of_one_part_reads_only_those(folder: Path, tmp_path: Path) -> None:
    opened = import_prices(folder, tmp_path / "one", partitions=1)
    [some] = opened.partitions(["A", "C"])
    assert some.read()["coin"].tolist() == ["A", "A", "C", "C"]


def test_a_table_is_plain_parquet_that_anything_can_read(table: Path) -> None:
    part = pd.read_parquet(path_of(table, "part"))
    assert list(part.columns) == list(TABLE_COLUMNS)
    assert part["close"].tolist() == [1.1, 1.5]
    named = manifest_of(table)
    assert (named["freq"], named["quote"]) == ("1d", "USD")
    assert sorted(contents(table)) == sorted(
        [TABLE_MANIFEST, *named["parts"], named["index"], named["findings"]]
    )


def test_a_table_that_is_there_is_not_replaced_unasked(table: Path, other: Path) -> None:
    before = contents(table)
    with pytest.raises(SourceError, match="there is a table already; overwrite it"):
        import_prices(other, table)
    assert contents(table) == before


def test_overwriting_puts_the_new_table_in_place_and_leaves_no_old_file(
    table: Path, other: Path
) -> None:
    before = contents(table)
    assert import_prices(other, table, overwrite=True).coins == ["Z"]
    assert CryptoLoader(table).get_crypto_names() == ["Z"]
    assert set(contents(table)) & set(before) == {TABLE_MANIFEST}
    assert len(contents(table)) == 4


def test_a_table_opened_before_it_was_replaced_says_so(table: Path, other: Path) -> None:
    [first, *_] = PriceTable(table).partitions(["A"])
    import_prices(other, table, overwrite=True)
    with pytest.raises(TableError, match="open the table again if it was replaced"):
        first.read()


def failing_readings(folder: Path, error: BaseException) -> Iterator[Reading]:
    yield read_price_files([PriceFile("Z", folder / "Z.csv")])
    raise error


@pytest.mark.parametrize("error", [RuntimeError("disk on fire"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_the_old_table_and_nothing_else(
    table: Path, other: Path, error: BaseException
) -> None:
    before = contents(table)
    rows = read_everything(table)
    with pytest.raises(type(error)):
        write_table(table, failing_readings(other, error), empty={}, notes=empty_findings())
    assert contents(table) == before
    pd.testing.assert_frame_equal(read_everything(table), rows)


def test_after_a_failure_in_a_new_place_the_import_can_be_tried_again(
    tmp_path: Path, other: Path
) -> None:
    place = tmp_path / "new"
    with pytest.raises(RuntimeError):
        write_table(
            place, failing_readings(other, RuntimeError()), empty={}, notes=empty_findings()
        )
    assert not is_table(place)
    assert import_prices(other, place).coins == ["Z"]


def test_what_an_import_that_was_killed_left_behind_is_no_table(table: Path) -> None:
    (table / TABLE_MANIFEST).unlink()
    with pytest.raises(SourceError, match=r"no price table.*cryptodask prices import FILES --out"):
        PriceTable(table)


def test_an_import_that_was_killed_does_not_keep_its_place(table: Path, other: Path) -> None:
    (table / TABLE_MANIFEST).unlink()
    (table / "manifest-0123abcd.json").write_text("{}")
    (table / "writer.lock").write_text("process 1 on elsewhere")
    assert is_free(table)
    reading = read_price_files([PriceFile("Z", other / "Z.csv")])
    write_table(table, [reading], empty={}, notes=empty_findings())
    assert PriceTable(table).coins == ["Z"]
    assert len(contents(table)) == 4


@pytest.mark.parametrize("name", ["mine.csv", "part-0.parquet", "index-0123abcd.parquet.bak"])
def test_a_place_with_a_file_of_somebody_else_is_not_free(table: Path, name: str) -> None:
    (table / TABLE_MANIFEST).unlink()
    (table / name).write_text("mine")
    assert not is_free(table)
    assert not is_free(table / name)


def test_nothing_and_an_empty_folder_are_free_and_a_table_is_not(
    table: Path, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    assert is_free(tmp_path / "new")
    assert is_free(tmp_path / "newer")
    assert not is_free(table)


def test_readings_without_a_row_are_not_written_and_the_reasons_told(
    tmp_path: Path, table: Path
) -> None:
    bad = write_files(tmp_path / "bad", {"X.csv": HEADER + "\nsoon,1,1,1,1,1,1\n"})
    before = contents(table)
    for place in (table, tmp_path / "new"):
        with pytest.raises(SourceError, match=r"no row was read: X\.csv, line 2: date: no day"):
            import_prices(bad, place, overwrite=True)
    assert contents(table) == before
    assert not is_table(tmp_path / "new")


def test_reasons_why_no_row_was_read_are_those_of_whole_files_too(tmp_path: Path) -> None:
    soon = HEADER + "\nsoon,1,1,1,1,1,1\nlater,1,1,1,1,1,1\n"
    bad = write_files(tmp_path / "bad", {"A.csv": soon, "B.csv": "", "C.csv": soon})
    with pytest.raises(SourceError) as told:
        import_prices(bad, tmp_path / "new", partitions=2)
    reasons = r"A\.csv, line 2: date.*; A\.csv, line 3: date.*; B\.csv: is empty"
    assert re.search(f"no row was read: {reasons}", str(told.value))
    assert "C.csv" not in str(told.value)  # three are enough


def test_a_reading_without_rows_among_others_makes_no_part(tmp_path: Path, other: Path) -> None:
    nothing = Reading(empty_prices(), empty_findings())
    one = read_price_files([PriceFile("Z", other / "Z.csv")])
    opened = write_table(
        tmp_path / "new", [nothing, one, nothing], empty={"E": "why"}, notes=empty_findings()
    )
    assert len(opened.manifest["parts"]) == 1
    assert opened.empty == {"E": "why"}
    pd.testing.assert_frame_equal(read_everything(opened.path), one.prices)


@pytest.mark.parametrize("n", [0, -3])
def test_fewer_than_one_part_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, n: int
) -> None:
    with pytest.raises(OptionError, match=f"partitions: must be at least 1, got {n}"):
        import_prices(folder, tmp_path / "new", partitions=n)
    assert not (tmp_path / "new").exists()


def test_no_place_that_holds_something_else_is_written_to(
    folder: Path, tmp_path: Path, other: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", other, folder):
        before = place.read_bytes() if place.is_file() else contents(place)
        with pytest.raises(SourceError, match="no price table; name another place"):
            import_prices(folder, place, overwrite=True)
        assert before == (place.read_bytes() if place.is_file() else contents(place))


def test_an_empty_folder_may_become_a_table(other: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert import_prices(other, tmp_path / "new").coins == ["Z"]


def test_a_table_is_not_imported_again(table: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a price table already"):
        import_prices(table, tmp_path / "new")


BAD_MANIFESTS: dict[str, tuple[str, str]] = {
    "nothing": ("", "can't be read"),
    "no JSON": ("\x00\x01", "can't be read"),
    "deeper than any reader goes": ("[" * 100_000, "can't be read"),
    "a list": ("[1]", "format: is not a manifest of a price table"),
    "a text": ('"cryptodask price table"', "format: is not a manifest of a price table"),
    "of a web page": (
        '{"name": "my app", "icons": []}',
        "format: is not a manifest of a price table",
    ),
}


@pytest.mark.parametrize("what", BAD_MANIFESTS)
def test_a_manifest_that_is_none_is_refused_with_path_and_advice(table: Path, what: str) -> None:
    text, message = BAD_MANIFESTS[what]
    (table / TABLE_MANIFEST).write_text(text)
    with pytest.raises(TableError, match=rf"manifest\.json: {message}.*; (import|move)"):
        CryptoLoader(table)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.95])
def test_a_manifest_cut_off_anywhere_is_refused(table: Path, part: float) -> None:
    text = (table / TABLE_MANIFEST).read_text()
    (table / TABLE_MANIFEST).write_text(text[: int(len(text) * part)])
    with pytest.raises(TableError, match=r"can't be read: .*import again, with --overwrite"):
        CryptoLoader(table)


@pytest.mark.parametrize("version", [4, 0, "1", None])
def test_another_version_is_refused_with_both_versions_and_advice(
    table: Path, version: object
) -> None:
    change(table, version=version)
    message = rf"of version {version}, this CryptoDask reads version 3; import again.*or install"
    with pytest.raises(TableError, match=message):
        CryptoLoader(table)


def test_a_table_from_before_tables_could_grow_is_read_and_grows(table: Path) -> None:
    rows = read_everything(table)
    change(table, version=1, generation=None, deltas=None, checksum=None)
    opened = PriceTable(table)
    assert opened.generation == 1
    opened.append(rows[:1].assign(close=9.0))
    assert (manifest_of(table)["version"], opened.generation) == (3, 2)
    assert read_everything(table)["close"].tolist() == [9.0, *rows["close"][1:]]


BAD_DELTAS: dict[str, tuple[object, str]] = {
    "none": (None, "its deltas are no list"),
    "a text": ("delta", "its deltas are no list"),
    "names alone": (["delta-00000000-00000.parquet"], "its deltas are no list"),
    "without coins": ([{"rows": "delta-00000000-00000.parquet"}], "its deltas are no list"),
    "without rows": ([{"first": "A", "last": "B"}], "names None, which is not a file"),
    "out of the folder": (
        [{"rows": "../delta-00000000-00000.parquet", "first": "A", "last": "B"}],
        "which is not a file of a table; do not use",
    ),
    "findings out of it": (
        [{"rows": "delta-00000000-00000.parquet", "first": "A", "last": "B", "findings": "/x"}],
        "names '/x', which is not a file of a table; do not use",
    ),
}


@pytest.mark.parametrize("what", BAD_DELTAS)
def test_deltas_that_are_none_are_refused(table: Path, what: str) -> None:
    deltas, message = BAD_DELTAS[what]
    change(table, deltas=deltas)
    with pytest.raises(TableError, match=message):
        CryptoLoader(table)


@pytest.mark.parametrize("generation", [None, 0, -1, "1", 1.0, True, [1]])
def test_a_generation_that_is_none_is_refused(table: Path, generation: object) -> None:
    change(table, generation=generation)
    with pytest.raises(TableError, match=r"its generation is .*, no number from 1; import again"):
        CryptoLoader(table)


@pytest.mark.parametrize(
    "name",
    ["../secret.parquet", "/etc/passwd", "sub/part-00-00000.parquet", "..", ".", "",
     "..\\x.parquet", "manifest.json", "part-00000000.parquet/..", "part-0\n.parquet", 5, ["x"],
     {}],
)  # fmt: skip
@pytest.mark.parametrize("what", ["parts", "index", "findings"])
def test_a_manifest_that_names_no_file_of_its_table_is_refused(
    table: Path, what: str, name: object
) -> None:
    parts = manifest_of(table)["parts"]
    change(table, **{what: [*parts, name] if what == "parts" else name})
    with pytest.raises(TableError, match="not a file of a table; do not use this table") as caught:
        CryptoLoader(table)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("changes", [{"parts": None}, {"parts": 3}, {"parts": "part"}])
def test_a_manifest_without_a_list_of_parts_is_refused(table: Path, changes: dict) -> None:
    change(table, **changes)
    with pytest.raises(TableError, match="names no parts; import again"):
        CryptoLoader(table)


@pytest.mark.parametrize("key", ["index", "findings"])
def test_a_manifest_that_lacks_a_name_is_refused(table: Path, key: str) -> None:
    change(table, **{key: None})
    with pytest.raises(TableError, match="names None, which is not a file of a table"):
        CryptoLoader(table)


@pytest.mark.parametrize("what", ["part", "index", "findings"])
@pytest.mark.parametrize("size", [None, 0, 3, 0.5])
def test_a_file_that_is_cut_off_or_gone_is_named_with_advice(
    table: Path, what: str, size: float | None
) -> None:
    path = path_of(table, what)
    data = path.read_bytes()
    if size is None:
        path.unlink()
    else:
        path.write_bytes(data[: int(size * len(data)) if size < 1 else int(size)])
    with pytest.raises(
        TableError, match=r"can't be read: .*import again, with --overwrite"
    ) as caught:
        read_everything(table)
    assert path.name in str(caught.value)


def test_one_damaged_part_leaves_the_coins_of_others_readable(table: Path) -> None:
    path_of(table, "part").write_bytes(b"PAR1")
    loader = CryptoLoader(table)
    assert loader.get_prices("B").tolist() == [1.1, 2.5]
    with pytest.raises(TableError, match="part"):
        loader.get_prices("A")


@pytest.mark.parametrize("column", ["coin", "close"])
def test_a_part_without_a_column_is_refused(table: Path, column: str) -> None:
    path = path_of(table, "part")
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    with pytest.raises(TableError, match=f"can't be read.*{column}"):
        read_everything(table)


def bad_indexes(index: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "a column less": index.drop(columns="part"),
        "texts for numbers": index.astype({"rows": "str"}),
        "a part that is not there": index.assign(part=7),
        "a part below zero": index.assign(part=-1),
        "coins in no order": index.iloc[::-1],
        "a coin twice": pd.concat([index[:1], index]),
        "a coin in two parts": index.assign(coin="A"),
        "parts in no order": index.assign(part=[2, 1, 0, -1, -1]),
        "no coin": index.assign(rows=0),
        "no row": index[:0],
    }


@pytest.mark.parametrize(
    "what", bad_indexes(pd.DataFrame(index=range(5), columns=["part", "rows"]))
)
def test_an_index_that_does_not_fit_the_table_is_refused(table: Path, what: str) -> None:
    path = path_of(table, "index")
    bad_indexes(pd.read_parquet(path))[what].to_parquet(path, index=False)
    with pytest.raises(TableError, match="is not an index of the table's 3 parts; import again"):
        CryptoLoader(table)


@pytest.mark.parametrize("damage", ["manifest", "version", "names", "index"])
def test_importing_again_with_overwrite_mends_a_damaged_table(
    folder: Path, table: Path, damage: str
) -> None:
    rows = read_everything(table)
    if damage == "manifest":
        (table / TABLE_MANIFEST).write_text("{")
    elif damage == "version":
        change(table, version=99)
    elif damage == "names":
        change(table, index="../index.parquet")
    else:
        path_of(table, "index").unlink()
    with pytest.raises(TableError):
        PriceTable(table)
    import_prices(folder, table, partitions=5, overwrite=True)
    pd.testing.assert_frame_equal(read_everything(table), rows)
    assert len(contents(table)) == 6


def test_no_file_out_of_the_table_is_removed_whatever_the_manifest_says(
    folder: Path, table: Path
) -> None:
    victim = table.parent / "part-00000000-00000.parquet"
    victim.write_text("mine")
    change(table, parts=[f"../{victim.name}"])
    import_prices(folder, table, overwrite=True)
    assert victim.read_text() == "mine"


def test_the_manifest_of_something_else_is_not_overwritten(other: Path, tmp_path: Path) -> None:
    app = write_files(tmp_path / "app", {TABLE_MANIFEST: '{"name": "my app"}', "index.html": "<p>"})
    before = contents(app)
    with pytest.raises(
        TableError, match="not a manifest of a price table; import to another folder"
    ):
        import_prices(other, app, overwrite=True)
    assert contents(app) == before


@pytest.mark.parametrize("name", ["date=2026-01-01", "coin=x", "100% (new) #1", "a?b*c[d]", "é 币"])
def test_a_table_may_lie_at_any_path(folder: Path, table: Path, tmp_path: Path, name: str) -> None:
    moved = import_prices(folder, tmp_path / name / "table")
    pd.testing.assert_frame_equal(read_everything(moved.path), read_everything(table))


def test_a_table_may_be_moved(table: Path, tmp_path: Path) -> None:
    rows = read_everything(table)
    moved = table.rename(tmp_path / "moved")
    pd.testing.assert_frame_equal(read_everything(moved), rows)


def test_a_panel_is_the_closes_of_the_rows_whatever_is_picked(
    small_folder: Path, tmp_path: Path
) -> None:
    opened = import_prices(small_folder, tmp_path / "table", partitions=3)
    coins = opened.coins
    for runs in ([(0, len(coins))], [(1, 3), (5, 6)], [(i, i + 1) for i in range(len(coins))]):
        for part in opened.pick(coins, runs):
            panel, same = part.read_panel(), to_panel(part.read())
            assert panel.coins == same.coins
            for name in ("values", "dates", "indptr"):
                assert np.array_equal(getattr(panel, name), getattr(same, name))
                assert getattr(panel, name).dtype == getattr(same, name).dtype
    [some] = opened.partitions([coins[0], coins[-1]], 1)
    assert some.read_panel().coins == (coins[0], coins[-1])


def test_a_panel_of_a_part_that_is_damaged_or_of_other_rows_is_refused(
    small_folder: Path, tmp_path: Path
) -> None:
    opened = import_prices(small_folder, tmp_path / "table", partitions=2)
    part = opened.partitions(opened.coins)[0]
    with pytest.raises(TableError, match="the table's index says"):
        replace(part, rows=part.rows + 1).read_panel()
    Path(part.paths[0]).write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match=r"can't be read.*import again"):
        part.read_panel()


def test_findings_may_be_asked_for_by_kind_and_counted_without_listing_them(table: Path) -> None:
    opened = PriceTable(table)
    every = opened.findings()
    assert opened.findings([]).empty
    assert opened.findings([]).dtypes.to_dict() == every.dtypes.to_dict()
    some = opened.findings(["layout", "missing_value"])
    expected = every[every["kind"].isin(["layout", "missing_value"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)
    pd.testing.assert_frame_equal(opened.count_findings(), summarize_findings(every))


def test_findings_that_appends_told_again_are_counted_once(table: Path) -> None:
    opened = PriceTable(table)
    before, every = opened.count_findings(), opened.findings()
    assert every["date"].isna().any()
    last = next(iter(opened.partitions(opened.coins))).read().tail(1)
    for days in (1, 2):
        new = last.assign(date=last["date"] + pd.Timedelta(days=days))
        opened.append(new, findings=every)
    pd.testing.assert_frame_equal(opened.count_findings(), before)
    other = every.head(1).assign(line=every["line"].max() + 1)
    opened.append(new.assign(date=new["date"] + pd.Timedelta(days=1)), findings=other)
    after = opened.count_findings()
    pd.testing.assert_frame_equal(after, summarize_findings(opened.findings()))
    assert after["count"].sum() == before["count"].sum() + 1


@pytest.mark.parametrize("content", [None, b"PAR1 and no more"])
def test_findings_that_can_not_be_read_are_not_counted(table: Path, content: bytes | None) -> None:
    opened = PriceTable(table)
    file = table / opened.manifest["findings"]
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(TableError, match=r"findings-.*can't be read.*import again"):
        opened.count_findings()
