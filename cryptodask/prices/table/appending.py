"""Make a table grow by rows that came, whose series are looked at with those that are there.

A delta holds the rows that one append added or changed, of all the coins it touched, in one file.
What an append costs follows its rows and the index of coins, not the rows of the table, but for
coins whose end alone does not decide; see `cryptodask.prices.table.seam`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from cryptodask.errors import InputError
from cryptodask.prices.clean.cleaning import as_raw
from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.findings import FINDING_COLUMNS, empty_findings, join_findings
from cryptodask.prices.clean.policies import Policies, check_policies, settle
from cryptodask.prices.table.growing import Growth, groups_of, with_places, write_growth
from cryptodask.prices.table.growing_own import grow_own
from cryptodask.prices.table.looking import Rules
from cryptodask.prices.table.merge import (
    Corrections,
    check_corrections,
    check_names,
    check_rows,
)
from cryptodask.prices.table.storage import writing
from cryptodask.prices.table.table_reader import TableReader


@dataclass(frozen=True)
class AppendResult:
    """What an append did.

    Attributes
    ----------
    new_rows, corrected_rows, unchanged_rows, kept_rows : int
        Rows of days that the table did not have; rows that took the place of others; rows that it
        had already; and rows that differ and were left out, by corrections "keep".
    revised_rows : int
        Rows of days that did not come, which are repaired, left out or taken back for what did.
    new_coins : tuple of str
        Coins that the table did not have, in order.
    generation : int
        Of the table, counted from 1; it is what it was if nothing was new.
    findings : DataFrame
        Those that were given, those of the rows that came, those of other rows that were not found
        before, and one for each row that was corrected or left out.
    """

    new_rows: int
    corrected_rows: int
    unchanged_rows: int
    kept_rows: int
    revised_rows: int
    new_coins: tuple[str, ...]
    generation: int
    findings: pd.DataFrame = field(repr=False, compare=False)


def append(
    table: TableReader,
    raw: pd.DataFrame,
    given_findings: pd.DataFrame | None,
    corrections: Corrections,
    policies: Policies | None = None,
    declared: Declared | None = None,
    further: pd.DataFrame | None = None,
) -> AppendResult:
    """Add rows to a table, and return what that did; see `PriceTable.append`.

    Parameters
    ----------
    table : TableReader
        Refreshed before and after.
    raw : DataFrame
        Rows as they were read, in any order; maybe with ``file, line, future``.
    given_findings : DataFrame or None
        Those of reading the rows. What they say of series is looked at here again.
    corrections : {"replace", "keep", "fail"}
        What to do with rows that differ from the table's.
    policies : mapping of str to str, optional
        In place of the table's.
    declared : Declared, optional
        Splits and renames that the table does not know yet.
    further : DataFrame, optional
        Own columns that came; those that the table does not have are not asked for.

    Raises
    ------
    InputError, OptionError, TableError
        As of `PriceTable.append`.

    Warns
    -----
    PriceWarning
        A split or rename is of a coin that is not there.
    """
    check_corrections(corrections)
    chosen = table.policies if policies is None else check_policies(policies)
    given = empty_findings() if given_findings is None else _check_findings(given_findings)
    rules = Rules(chosen, table.freq, datetime.now(UTC).replace(tzinfo=None))
    rows = with_places(_as_rows(raw, table.freq), given)
    with writing(table.path) as writer:
        table.refresh()  # another process may have written since it was opened
        growth = Growth(rules, *_declarations(table, declared or Declared()))
        renames = dict(growth.declared.renames)
        there, older = {*table.coins, *table.empty, *rows["coin"]}, table.declared.renames
        given = given.assign(coin=given["coin"].replace(renames).astype("str"))
        rows = growth.declared.rename(rows.assign(older=rows["coin"].isin(list(renames))))
        rows = growth.declared.scale(rows)
        old_coins = [coin for coin in table.coins if coin not in renames]
        new_coins = sorted(set(rows["coin"]) - set(old_coins))
        check_names(new_coins, old_coins)
        for group in groups_of(table, rows, growth):
            growth.add(group, corrections)
        grown = grow_own(table, further, renames, growth.fresh.renames, rows, corrections)
        # Before anything is written, since a policy may be to fail.
        about = join_findings(step.findings for step in growth.looks)
        about = settle(with_places(about, given), chosen)
        given = join_findings([growth.others_of(given), settle(grown.findings, chosen)])
        changes = growth.changes or len(grown.rows) > 0
        if changes:
            manifest = write_growth(writer, table, growth, given, about, grown)
            writer.publish(manifest, keep_old=True)
            table.refresh()
            new_coins = sorted(set(table.coins) - set(old_coins))
    growth.fresh.warn_unknown(there, older)
    return AppendResult(
        **growth.counts(),
        new_coins=tuple(new_coins if changes else ()),
        generation=table.generation,
        findings=join_findings([given, about, *(step.findings for step in growth.merged)]),
    )


def _declarations(table: TableReader, newly: Declared) -> tuple[Declared, Declared]:
    """Return all that is declared of a table, and what of it the table does not know yet."""
    every, known = table.declared.and_also(newly), table.declared
    splits = tuple(split for split in every.splits if split not in known.splits)
    renames = {old: new for old, new in every.renames.items() if known.renames.get(old) != new}
    return every, Declared(splits, renames)


def _as_rows(raw: pd.DataFrame, freq: str) -> pd.DataFrame:
    """Return rows that were checked, in `RAW_COLUMNS`."""
    plain = raw.drop(columns="future", errors="ignore") if isinstance(raw, pd.DataFrame) else raw
    rows = check_rows(plain, freq)
    rows = rows if "file" in rows else rows.assign(file="")
    rows = rows if "line" in rows else rows.assign(line=0)
    if "future" not in raw:
        return as_raw(rows.assign(future=False))
    late, keys = (pd.MultiIndex.from_frame(r[["coin", "date"]]) for r in (raw[raw["future"]], rows))
    return as_raw(rows.assign(future=keys.isin(late)))


def _check_findings(findings: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in FINDING_COLUMNS if name not in findings]
    if missing:
        raise InputError(
            f"findings: no column {', '.join(missing)}; give a table that "
            "cryptodask.prices.clean.findings made, or leave it out"
        )
    return findings[list(FINDING_COLUMNS)]
