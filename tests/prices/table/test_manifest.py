"""A manifest that is not as it was written: refused by file and field, or it changes nothing."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask import CryptoLoader
from cryptodask.errors import TableError
from cryptodask.io.sealed import sealed
from cryptodask.prices import PriceTable, import_prices
from cryptodask.prices.table.manifest import TABLE_MANIFEST
from tests.prices.conftest import GOOD, write_files

Keys = tuple[Any, ...]

DEEP = 1_000  # deeper than Python writes or compares, and not deeper than JSON is read


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of three parts and a delta with findings."""
    folder = tmp_path_factory.mktemp("grown")
    write_files(folder / "files", {f"{coin}.csv": GOOD for coin in "ABCD"})
    table = import_prices(folder / "files", folder / "table", partitions=3)
    later = pd.concat(p.read() for p in table.partitions(table.coins))
    later = later.assign(date=later["date"] + pd.Timedelta(days=4))
    table.append(later)
    assert "findings" in table.manifest["deltas"][0]
    return table.path


def manifest_of(table: Path) -> dict[str, Any]:
    return json.loads((table / TABLE_MANIFEST).read_text())


def rows_of(path: Path) -> pd.DataFrame:
    table = PriceTable(path)
    return pd.concat([p.read() for p in table.partitions(table.coins)], ignore_index=True)


def places(value: Any, above: Keys = ()) -> Iterator[Keys]:
    """Yield the keys that lead to each value inside another."""
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield (*above, key)
        yield from places(inner, (*above, key))


def as_version_2(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest as it was before it had a checksum."""
    return without(manifest, ("checksum",)) | {"version": 2}


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def changed(manifest: dict[str, Any], keys: Keys, value: Any) -> dict[str, Any]:
    """The manifest with another value at a place."""
    manifest = copy.deepcopy(manifest)
    holder: Any = manifest
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    return manifest


def without(manifest: dict[str, Any], keys: Keys) -> dict[str, Any]:
    manifest = copy.deepcopy(manifest)
    holder: Any = manifest
    for key in keys[:-1]:
        holder = holder[key]
    del holder[keys[-1]]
    return manifest


@pytest.fixture
def table(grown: Path) -> Iterator[Path]:
    """The table, whose manifest is put back after the test."""
    text = (grown / TABLE_MANIFEST).read_text()
    yield grown
    (grown / TABLE_MANIFEST).write_text(text)


def refused(table: Path, text: str) -> str:
    """Write a manifest, and return what opening the table says of it: one line."""
    (table / TABLE_MANIFEST).write_text(text)
    with pytest.raises(TableError) as caught:
        CryptoLoader(table)
    message = str(caught.value)
    assert str(table / TABLE_MANIFEST) in message
    assert message.isprintable()
    assert len(message) < len(str(table)) + 500
    assert "import again, with --overwrite" in message
    return message


FIELDS = ("generation", "freq", "policies", "parts", "deltas", "index", "findings", "quote")
WRONG = [True, 1.5, -1, 10**40, "x", "", [], [[]], [1], {"a": 1}, {"": []}, "part-00000000-00000.x"]
FINE = {("generation", str(10**40)), ("deltas", "[]")}


@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_another_type_is_named(table: Path, field: str, value: Any) -> None:
    if (field, str(value)) in FINE:
        pytest.skip("a table may have that")
    message = refused(table, json.dumps(changed(manifest_of(table), (field,), value)))
    assert f"{TABLE_MANIFEST}: {field}: " in message


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_nested_very_deep_is_named(table: Path, field: str) -> None:
    manifest = json.dumps(changed(manifest_of(table), (field,), "DEEP"))
    message = refused(table, manifest.replace('"DEEP"', "[" * DEEP + "]" * DEEP))
    assert f": {field}: " in message or "maximum recursion depth" in message


def test_every_field_is_needed_but_those_that_tables_had_not_at_first(table: Path) -> None:
    manifest, rows = as_version_2(manifest_of(table)), rows_of(table)
    for field in FIELDS:
        text = json.dumps(without(manifest, (field,)))
        if field in ("quote", "freq", "policies"):
            (table / TABLE_MANIFEST).write_text(text)
            pd.testing.assert_frame_equal(rows_of(table), rows)
        else:
            assert f": {field}: " in refused(table, text)


@pytest.mark.parametrize("keys", [("color",), ("Parts",), ("deltas", 0, "color")])
def test_a_field_that_no_table_has_is_named(table: Path, keys: Keys) -> None:
    message = refused(table, json.dumps(changed(manifest_of(table), keys, 1)))
    assert repr(keys[-1]) in message
    assert f": {keys[0]}: " in message or f": {keys[0]!r}: " in message


def test_a_field_that_is_there_twice_is_named(table: Path) -> None:
    text = (table / TABLE_MANIFEST).read_text()
    assert "field 'parts' is there twice" in refused(table, text.replace("{", '{"parts": [],', 1))


@pytest.mark.parametrize("version", [True, 2.0, 1.0, [2], {"2": 2}, nested(900)], ids=repr)
def test_a_version_that_only_equals_one_is_none(table: Path, version: Any) -> None:
    assert "is of version" in refused(
        table, json.dumps(changed(manifest_of(table), ("version",), version))
    )


def test_parts_that_the_index_does_not_have_are_found(table: Path) -> None:
    manifest = without(manifest_of(table), ("checksum",))
    for parts in (manifest["parts"][:-1], [*manifest["parts"], "part-00000000-00000.parquet"]):
        (table / TABLE_MANIFEST).write_text(json.dumps(sealed(manifest | {"parts": parts})))
        with pytest.raises(
            TableError, match=rf"index-.*: is not an index of the table's {len(parts)}"
        ):
            CryptoLoader(table)


def test_files_that_are_named_for_each_other_are_refused(table: Path) -> None:
    manifest = manifest_of(table)
    delta, part = manifest["deltas"][0]["rows"], manifest["parts"][0]
    for keys, name in ((("parts", 0), delta), (("deltas", 0, "rows"), part), (("index",), part)):
        assert f": {keys[0]}: " in refused(table, json.dumps(changed(manifest, keys, name)))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("generation",), 7),
        (("freq",), "1h"),
        (("policies",), {"gap": "fail"}),
        (("deltas", 0, "first"), "B"),
        (("deltas",), []),
        (("splits",), ["A:2024-01-01:2"]),
        (("raw",), "raw-00000000.parquet"),
        (("checksum",), "0" * 64),
    ],
    ids=str,
)
def test_a_change_to_what_another_table_might_say_is_found_by_the_checksum(
    table: Path, keys: Keys, value: Any
) -> None:
    message = refused(table, json.dumps(changed(manifest_of(table), keys, value)))
    assert f"{TABLE_MANIFEST}: checksum: does not fit the rest of it" in message


def test_a_manifest_whose_checksum_was_taken_away_is_refused(table: Path) -> None:
    message = refused(table, json.dumps(without(manifest_of(table), ("checksum",))))
    assert f"{TABLE_MANIFEST}: checksum: is missing" in message


def test_a_table_from_before_manifests_had_checksums_is_read(table: Path) -> None:
    rows = rows_of(table)
    (table / TABLE_MANIFEST).write_text(json.dumps(as_version_2(manifest_of(table))))
    pd.testing.assert_frame_equal(rows_of(table), rows)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_manifest_that_was_changed_anywhere_is_refused_or_gives_the_same_rows(
    grown: Path, data: st.DataObject
) -> None:
    path = grown / TABLE_MANIFEST
    text = path.read_text()
    manifest, rows = json.loads(text), rows_of(grown)
    keys = data.draw(st.sampled_from(list(places(manifest))), label="keys")
    how = data.draw(st.sampled_from(["value", "other", "delete", "twice", "cut", "deep"]))
    if how == "delete":
        new = json.dumps(without(manifest, keys))
    elif how == "cut":
        new = text[: data.draw(st.integers(0, len(text)))]
    elif how == "deep":
        value = json.dumps(changed(manifest, keys, "DEEP"))
        depth = data.draw(st.integers(1, 3_000))
        new = value.replace('"DEEP"', "[" * depth + "]" * depth)
    elif how == "twice":
        others = data.draw(st.sampled_from(list(places(manifest))))
        value = manifest
        for key in others:
            value = value[key]
        new = json.dumps(changed(manifest, keys, value))
    elif how == "other":
        new = json.dumps(changed(manifest, (*keys[:-1], data.draw(st.text(max_size=8))), 1)
                         if isinstance(keys[-1], str) else manifest)  # fmt: skip
    else:
        new = json.dumps(changed(manifest, keys, data.draw(VALUES)))
    try:
        path.write_text(new)
        same = rows_of(grown)
    except TableError as error:
        message = str(error)
        assert str(grown) in message
        assert message.isprintable()
    else:
        pd.testing.assert_frame_equal(same, rows)
    finally:
        path.write_text(text)
