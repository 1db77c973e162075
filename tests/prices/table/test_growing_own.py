"""Columns of a user's own in a table that grows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import InputError, OptionError
from cryptodask.prices import PriceTable, ReadOptions, import_prices

OPTIONS = ReadOptions(further=("x",), facts=("kind",))


def rows(coin: str, first: str, values: list[float], **columns: object) -> pd.DataFrame:
    """Rows of a coin with a column ``x``."""
    dates = pd.date_range(first, periods=len(values))
    closes = 100.0 + np.arange(len(values))
    frame = pd.DataFrame({"coin": coin, "date": dates, "close": closes, "x": values, "kind": "L1"})
    return frame.assign(**columns)


@pytest.fixture
def table(tmp_path: Path) -> PriceTable:
    both = [rows("A", "2024-01-01", [1.0, 2.0, 3.0]), rows("B", "2024-01-01", [4.0, 5.0, 6.0])]
    return import_prices(pd.concat(both), tmp_path / "table", options=OPTIONS)


def values(table: PriceTable, coin: str) -> list[float]:
    """The column ``x`` of a coin, by date."""
    return table.load_own([coin])["x"].tolist()


def test_values_alone_make_a_table_grow(table: PriceTable) -> None:
    again = rows("A", "2024-01-01", [1.0, 2.5, 3.0])
    result = table.append(again)
    assert (result.new_rows, result.generation) == (0, 2)
    assert values(table, "A") == [1.0, 2.5, 3.0]
    [message] = result.findings.query("kind == 'corrected_row'")["message"]
    assert message == "column 'x' 2.0 -> 2.5"
    assert table.append(again).generation == 2


def test_a_missing_value_says_nothing(table: PriceTable) -> None:
    table.append(rows("A", "2024-01-02", [np.nan, np.nan, 9.0]))
    assert values(table, "A") == [1.0, 2.0, 3.0, 9.0]


def test_corrections_are_left_out_or_refused_as_asked_for(table: PriceTable) -> None:
    other = rows("A", "2024-01-03", [7.0, 8.0]).assign(close=[102.0, 103.0])
    with pytest.raises(InputError, match=r"A, 2024-01-03: column 'x' 3.0 -> 7.0, and corrections"):
        table.append(other, corrections="fail")
    result = table.append(other, corrections="keep")
    assert values(table, "A") == [1.0, 2.0, 3.0, 8.0]
    assert result.findings["kind"].tolist().count("kept_old_row") == 1


def test_rows_without_the_column_are_reported(table: PriceTable) -> None:
    result = table.append(rows("A", "2024-01-04", [1.0]).drop(columns="x"))
    [message] = result.findings.query("kind == 'missing_column'")["message"]
    assert "no column 'x'" in message
    assert values(table, "A")[:3] == [1.0, 2.0, 3.0]
    assert np.isnan(values(table, "A")[3:]).all()
    everything = table.partitions(["A"], 1)[0].read()
    new = everything.tail(1).assign(date=pd.Timestamp("2024-01-05"))
    messages = table.append(new).findings.query("kind == 'missing_column'")["message"]
    assert [message.partition(":")[0] for message in messages] == ["column 'x'", "column 'kind'"]


def test_rows_of_the_schema_bring_the_columns_too(table: PriceTable) -> None:
    new = table.partitions(["A"], 1)[0].read().tail(1).assign(date=pd.Timestamp("2024-01-04"))
    table.append(new.assign(x=8.0, kind="L1"))
    assert values(table, "A") == [1.0, 2.0, 3.0, 8.0]
    with pytest.raises(InputError, match=r"column 'x': inf is not a finite number"):
        table.append(new.assign(x=np.inf, kind="L1"))
    with pytest.raises(InputError, match="unknown column y"):
        table.append(new.assign(x=8.0, kind="L1", y=1))


def test_a_renamed_coin_keeps_its_values(table: PriceTable) -> None:
    table.append(rows("C", "2024-01-03", [7.0, 8.0]), renames=["A:C"])
    assert values(table, "C") == [1.0, 2.0, 7.0, 8.0]
    table.compact()
    assert values(table, "C") == [1.0, 2.0, 7.0, 8.0]


def test_a_new_coin_brings_its_values_and_one_without_prices_is_reported(
    table: PriceTable,
) -> None:
    lone = rows("E", "2024-01-01", [1.0]).assign(close=np.nan)
    result = table.append(pd.concat([rows("D", "2024-01-01", [1.0, 2.0]), lone]))
    assert values(table, "D") == [1.0, 2.0]
    lost = result.findings.query("kind == 'unreadable_row'")
    assert lost["coin"].tolist() == ["E"]


def test_a_fact_is_not_a_number(table: PriceTable) -> None:
    with pytest.raises(OptionError, match="column 'kind': was imported as a fact"):
        table.with_own(["column:kind"])
    assert table.with_own([]) is table


def test_a_reader_that_opened_the_table_before_sees_what_it_opened(table: PriceTable) -> None:
    before = PriceTable(table.path)
    table.append(rows("A", "2024-01-01", [9.0, 9.0, 9.0]))
    assert before.load_own(["A"])["x"].tolist() == [1.0, 2.0, 3.0]
    before.refresh()
    assert before.load_own(["A"])["x"].tolist() == [9.0, 9.0, 9.0]
