"""Splits and renames that are declared, at an import and at appends, and coins that ended."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import InputError, OptionError, PriceWarning
from cryptodask.prices import PriceTable, ReadOptions, import_prices, read_files
from cryptodask.prices.clean.declared import Declared

DAYS = pd.date_range("2024-01-01", periods=60)
CLOSES = 100 + np.arange(60) % 7 + np.arange(60) / 10


def write(folder: Path, **coins: "pd.Series[float]") -> Path:
    folder.mkdir()
    for coin, closes in coins.items():
        frame = pd.DataFrame({"Date": closes.index.strftime("%Y-%m-%d"), "Close": closes.array})
        frame.to_csv(folder / f"{coin}.csv", index=False)
    return folder


def series(a: int = 0, b: int = 60, factor: float = 1.0) -> "pd.Series[float]":
    return pd.Series(CLOSES[a:b] * factor, index=DAYS[a:b])


def closes_of(table: PriceTable) -> dict[str, list[float]]:
    rows = pd.concat([p.read() for p in table.partitions(table.coins)])
    return {str(coin): mine["close"].tolist() for coin, mine in rows.groupby("coin")}


def kinds(table: PriceTable) -> set[str]:
    return set(table.findings()["kind"]) - {"layout"}


def test_a_split_is_declared_at_import_or_at_an_append_or_comes_later(tmp_path: Path) -> None:
    """1,000 old coins became one on the thirtieth day; prices before are a thousandth."""
    both = pd.concat([series(0, 30, 0.001), series(30)])
    folder = write(tmp_path / "all", Acoin=both, Bcoin=series())
    first = write(tmp_path / "first", Acoin=both[:30], Bcoin=series(0, 30))
    later = write(tmp_path / "later", Acoin=both[30:], Bcoin=series(30))
    split = ["Acoin:2024-01-31:0.001"]
    plain = import_prices(folder, tmp_path / "plain")
    assert "large_move" in kinds(plain)
    # A policy to fail sees the rows after the split.
    strict = ReadOptions(policies={"large_move": "fail"})
    tables = [import_prices(folder, tmp_path / "t0", options=strict, splits=split)]
    for i, where in enumerate(("import", "append")):
        table = import_prices(
            first, tmp_path / f"t{i + 1}", options=strict, splits=split * (where == "import")
        )
        table.append_reading(read_files([later]), splits=split * (where == "append"))
        tables.append(table)
    plain.append(read_files([later]).prices, splits=split)  # when all rows are there
    for table in (*tables, plain):
        np.testing.assert_allclose(closes_of(table)["Acoin"], CLOSES, rtol=1e-12)
        assert closes_of(table)["Bcoin"] == CLOSES.tolist()
        assert kinds(table) == {"split"}
        # What is there by its old prices is no correction, whatever was compacted.
        table.compact(partitions=1)
        again = PriceTable(table.path).append_reading(read_files([folder]))
        assert (again.new_rows, again.corrected_rows, again.unchanged_rows) == (0, 0, 120)


def test_a_factor_the_wrong_way_round_is_refused(tmp_path: Path) -> None:
    both = pd.concat([series(0, 30, 0.001), series(30)])
    folder = write(tmp_path / "all", Acoin=both)
    with pytest.raises(InputError, match=r"Acoin:2024-01-31:1000: the close goes .* maybe 0\.001"):
        import_prices(folder, tmp_path / "table", splits=["Acoin:2024-01-31:1000"])
    table = import_prices(folder, tmp_path / "table")
    with pytest.raises(InputError, match=r"maybe 0\.001"):
        table.append(read_files([folder]).prices, splits=["Acoin:2024-01-31:1000"])
    assert table.declared == Declared()


def test_a_coin_with_a_new_name_is_one(tmp_path: Path) -> None:
    """For two days both names have rows; those of the new one are right."""
    old, new = series(0, 32, 1.001), series(30)
    folder = write(tmp_path / "all", Matic=old, Pol=new, Zcoin=series())
    first = write(tmp_path / "first", Matic=old[:20], Zcoin=series())
    later = write(tmp_path / "later", Pol=new)
    rest = write(tmp_path / "rest", Matic=old)
    wanted = [*(CLOSES[:30] * 1.001), *CLOSES[30:]]
    tables = [import_prices(folder, tmp_path / "t0", renames=["Matic:Pol"])]
    table = import_prices(first, tmp_path / "t1", renames=["Matic:Pol"])
    table.append_reading(read_files([later]))
    tables.append(table)
    table = import_prices(first, tmp_path / "t2")
    table.append_reading(read_files([later]))
    assert table.coins == ["Matic", "Pol", "Zcoin"]
    table.append(read_files([later]).prices, renames=["Matic:Pol"])
    tables.append(table)
    for table in tables:
        table.append_reading(read_files([rest]))  # under the old name: it never replaces
        for opened in (table, PriceTable(table.path)):
            assert opened.coins == ["Pol", "Zcoin"]
            np.testing.assert_allclose(closes_of(opened)["Pol"], wanted)
            assert opened.empty == {}
            assert "symbol_change" in kinds(opened)
            assert len(opened) == 120
        table.compact(1)
        np.testing.assert_allclose(closes_of(table)["Pol"], wanted)


def test_a_declaration_of_a_coin_that_is_not_there_is_a_warning_with_names_like_it(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "all", Matic=series(0, 30), Zcoin=series())
    later = read_files([write(tmp_path / "later", Pol=series(30))])
    split, rename = ["zcion:2024-01-31:2"], ["Matc:Pol"]
    with pytest.warns(PriceWarning, match=r"zcion is not a coin .*\(did you mean Zcoin\?\)"):
        table = import_prices(folder, tmp_path / "t1", splits=split)
    with pytest.warns(PriceWarning, match=r"rename Matc:Pol: Matc is not .* mean Matic\?\)"):
        table.append_reading(later, renames=rename)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = import_prices(folder, tmp_path / "t2", renames=["Matic:Pol"])
        table.append_reading(later, splits=["Pol:2024-01-31:1.01"], renames=["Pol:Polygon"])
        assert table.coins == ["Polygon", "Zcoin"]
        table.append_reading(read_files([folder]), renames=["Matic:Polygon"])


@pytest.mark.parametrize(
    ("splits", "renames", "message"),
    [
        (["A:2024-01-01"], [], "write it as COIN:YYYY-MM-DD:FACTOR"),
        (["A:01/02/2024:2"], [], "write it as"), (["A:2024-01-01:0"], [], "above 0"),
        (["A:2024-01-01:nan"], [], "write it as"), (["A:2024-01-01:1"], [], "write it as"),
        (["A:2024-01-01:2", "A:2024-01-01:3"], [], "declared already"),
        ([], ["A"], "write it as OLD:NEW"), ([], ["A:A"], "write it as OLD:NEW"),
        ([], ["A:B", "A:C"], "renamed to B already"), ([], ["A:B", "B:A"], "in a circle"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    splits: list[str], renames: list[str], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        Declared.of(splits, renames)


def test_renames_lead_to_the_last_name() -> None:
    declared = Declared.of(["A:2024-01-01:2"], ["A:B", "B:C"])
    assert declared.renames == {"A": "C", "B": "C"}
    assert [split.coin for split in declared.splits] == ["C"]
    assert Declared.of(*declared.texts()) == declared


def test_a_coin_that_ended_long_before_the_others_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "all", Acoin=series(), Bcoin=series(0, 29), Ccoin=series(0, 30))
    table = import_prices(folder, tmp_path / "table")
    assert table.ended()["coin"].tolist() == ["Bcoin"]
    assert table.ended(10)["coin"].tolist() == ["Bcoin", "Ccoin"]
