"""Appends look at the seam as an import does: any split comes to the rows and findings of one."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from cryptodask.errors import PolicyError, SourceError
from cryptodask.prices import PriceTable, ReadOptions, import_prices, read_files, write_table
from cryptodask.prices.clean.cleaning import clean_reading
from cryptodask.prices.clean.findings import FINDING_KINDS, empty_findings
from cryptodask.prices.clean.policies import check_policies
from cryptodask.prices.clean.series import SMALLEST_MOVE
from cryptodask.prices.freq import step_of
from cryptodask.prices.schema import TABLE_COLUMNS
from cryptodask.prices.table.seam import MoveLimits, Seam, find_seams
from tests.conftest import SHARED
from tests.examples import examples

START = np.datetime64("2024-01-01", "s")
SERIES = (
    "stale_run", "zero_volume", "high_under_low", "outside_range", "large_move", "reverting_jump",
    "gap",
)  # fmt: skip
NAN = float("nan")
CASE = SHARED / "cases" / "append-day-by-day-spike"

moves = st.sampled_from([1.0, 1.0, 1.01, 0.99, 1.02, 1.4, 2.0, 0.5, 10.0, 0.1, 1000.0, 0.001, 0.01])
cells = st.tuples(
    st.sampled_from([1, 1, 1, 1, 2, 5]), moves, st.sampled_from([0.0, 1.0, 1.0, NAN]),
    st.sampled_from(["fine", "fine", "fine", "missing", "under", "outside"]),
)  # fmt: skip
policies = st.fixed_dictionaries(
    {}, optional={
        kind: st.sampled_from([a for a in FINDING_KINDS[kind].actions if a != "fail"])
        for kind in SERIES
    },
)  # fmt: skip


def history(coins: dict[str, list[tuple[int, float, float, str]]], freq: str) -> pd.DataFrame:
    """Rows as they are read, of a file a coin."""
    rows = []
    for coin, steps in sorted(coins.items()):
        bar, close = 0, 100.0
        for line, (ahead, move, volume, shape) in enumerate(steps, start=2):
            bar, close = bar + ahead, float(f"{close * move:.12g}")
            low, high = {"fine": (close * 0.99, close * 1.01), "missing": (NAN, NAN),
                         "under": (close * 1.01, close * 0.99),
                         "outside": (close * 1.01, close * 1.02)}[shape]  # fmt: skip
            rows.append((coin, START + bar * step_of(freq), close, high, low, close, volume, NAN,
                         f"{coin}.csv", line))  # fmt: skip
    frame = pd.DataFrame(rows, columns=[*TABLE_COLUMNS, "file", "line"])
    return frame.astype({"coin": "str", "file": "str", "date": "datetime64[s]"})


def table_of(path: Path, rows: pd.DataFrame, freq: str, chosen: dict[str, str]) -> PriceTable:
    reading = clean_reading(rows, empty_findings(), check_policies(chosen), freq)
    return write_table(
        path, [reading], empty={}, notes=empty_findings(), freq=freq, policies=chosen
    )


def content(table: PriceTable) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = pd.concat([p.read() for p in table.partitions(table.coins)], ignore_index=True)
    closes = [p.read_panel() for p in table.partitions(table.coins)]
    np.testing.assert_array_equal(np.concatenate([p.values for p in closes]), rows["close"])
    found = table.findings()
    assert table.count_findings()["count"].sum() == len(found)
    by = ["coin", "date", "kind", "message", "value"]
    return rows, found.sort_values(by, ignore_index=True)


def check_same(table: PriceTable, whole: PriceTable) -> None:
    for got, wanted in zip(content(table), content(whole), strict=True):
        places = [name for name in ("file", "line") if name in got]
        pd.testing.assert_frame_equal(got.drop(columns=places), wanted.drop(columns=places))
    got, wanted = table.index.drop(columns="part"), whole.index.drop(columns="part")
    pd.testing.assert_frame_equal(got, wanted)


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    st.dictionaries(st.sampled_from("ABC"), st.lists(cells, min_size=1, max_size=30), min_size=1),
    policies, st.sampled_from(["1d", "1h"]), st.lists(st.integers(1, 40), max_size=5),
    st.integers(0, 6),
)  # fmt: skip
@example(
    {"A": [(1, 1.0, 0.0, "fine"), (1, 1.0, 1.0, "fine"), (1, 9.0, 1.0, "fine")]},
    {"zero_volume": "drop"}, "1d", [1, 2], 0,
)  # fmt: skip
def test_any_split_into_appends_gives_the_rows_and_findings_of_one_import(
    coins: dict, chosen: dict[str, str], freq: str, cuts: list[int], compacted: int
) -> None:
    rows = history(coins, freq)
    bars = (rows["date"].to_numpy() - START) // step_of(freq)
    with tempfile.TemporaryDirectory() as folder:
        try:
            whole = table_of(Path(folder) / "whole", rows, freq, chosen)
        except SourceError:  # not one row is left
            return
        edges = [-1, *sorted(set(cuts)), 10_000]
        pieces = [rows[(bars > a) & (bars <= b)] for a, b in pairwise(edges)]
        pieces = [piece.reset_index(drop=True) for piece in pieces if len(piece)]
        table, waiting = None, rows[:0]
        for i, piece in enumerate(pieces):
            if table is None:
                waiting = pd.concat([waiting, piece], ignore_index=True)
                kept = clean_reading(waiting, empty_findings(), check_policies(chosen), freq)
                if kept.prices.empty:  # no table is made of these: they are imported with the next
                    with pytest.raises(SourceError, match="no row was read"):
                        table_of(Path(folder) / "table", waiting, freq, chosen)
                    continue
                table = table_of(Path(folder) / "table", waiting, freq, chosen)
            else:
                table.append(piece)
            if i == compacted:
                table.compact(partitions=1 + i % 3)
        assert table is not None
        check_same(table, whole)
        check_same(PriceTable(table.path), whole)
        # All of it once more changes nothing.
        again = table.append(rows)
        assert (again.new_rows, again.corrected_rows, again.revised_rows) == (0, 0, 0)
        check_same(table, whole)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=60),
    st.lists(st.floats(-9.0, 9.0), max_size=6),
)
def test_limits_of_moves_hold_for_whatever_comes(had: list[float], more: list[float]) -> None:
    limits = MoveLimits.of(np.array(had))
    if limits.spare == 0 or len(more) > limits.spare:
        assert limits.after(np.array(more)) is None
        return
    both = pd.Series(had + more)
    scale = 1.4826 * (both - both.median()).abs().median()
    limit = max(10 * scale, SMALLEST_MOVE)
    sizes = np.abs(np.array(had))
    np.testing.assert_array_equal(sizes > limit, sizes > limits.low)
    if limits.after(np.array(more)) is not None:
        sizes = np.abs(both.to_numpy())
        np.testing.assert_array_equal(sizes > limit, sizes > limits.low)


@pytest.mark.skipif(not CASE.is_dir(), reason="the case is not there")
@pytest.mark.parametrize("action", ["keep", "repair", "drop", "fail"])
def test_a_spike_whose_way_back_comes_with_a_later_append(tmp_path: Path, action: str) -> None:
    options = ReadOptions(freq="1d", policies={"reverting_jump": action})
    table = import_prices(CASE / "input", tmp_path / "table", options=options)
    assert table.append_reading(read_files([CASE / "d1"])).new_rows == 1
    if action == "fail":
        with pytest.raises(PolicyError, match=r"2025-02-01: reverting_jump: '\+\d+%'"):
            table.append_reading(read_files([CASE / "d2"]))
        return
    result = table.append_reading(read_files([CASE / "d2"]))
    jump = result.findings[result.findings["kind"] == "reverting_jump"]
    assert jump[["file", "line"]].to_numpy().tolist() == [["Bitcoin.csv", 2]]
    assert result.revised_rows == (action != "keep")
    whole = import_prices(CASE / "whole", tmp_path / "whole", options=options)
    check_same(table, whole)
    # The same days once more, one of them corrected: the spike was none.
    right = read_files([CASE / "d1"]).prices.assign(open=37.2, high=37.6, low=37.0, close=37.4)
    corrected = table.append(right)
    assert corrected.corrected_rows == 1
    assert "reverting_jump" not in set(table.findings()["kind"])
    rows = content(table)[0]
    assert rows["close"].iloc[-2] == 37.4


def test_a_seam_is_read_as_it_was_written() -> None:
    rows = history({"A": [(1, 1.0, NAN, "missing"), (1, 1.0, 0.0, "fine")]}, "1d")
    raw = clean_reading(rows, empty_findings(), {}, "1d").raw()
    [seam] = find_seams(raw, "1d").values()
    again = Seam.decode("A", seam.encode())
    pd.testing.assert_frame_equal(again.rows, seam.rows.reset_index(drop=True))
    assert again.limits == seam.limits
    for text in ("", "{}", "[1]", seam.encode().replace("[", "{")):
        with pytest.raises(ValueError, match=r"."):
            Seam.decode("A", text)
