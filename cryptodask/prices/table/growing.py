"""What rows that came do to a table: which of its rows must be read, what changes, its files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import InputError
from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.findings import NEIGHBOUR_KINDS, ROW_KINDS, join_findings
from cryptodask.prices.partition import pack, partitions_for
from cryptodask.prices.reading import RAW_COLUMNS, over_rows
from cryptodask.prices.schema import as_price_dtypes, empty_prices
from cryptodask.prices.table.growing_own import OwnGrowth
from cryptodask.prices.table.growth import write_raw, write_rows
from cryptodask.prices.table.index import (
    change_index,
    count_rows,
    join_index,
    load_seam_texts,
    load_seams,
)
from cryptodask.prices.table.looking import FINDING_KEY, Look, Rules, limits_after, look
from cryptodask.prices.table.manifest import Manifest
from cryptodask.prices.table.merge import Corrections, Merged, merge_rows
from cryptodask.prices.table.removing import take_out
from cryptodask.prices.table.seam import MoveLimits, Seam, empty_raw, join_seams
from cryptodask.prices.table.storage import Writer
from cryptodask.prices.table.table_reader import WITHDRAWN, TableReader

_KEY = ["coin", "date"]


@dataclass(frozen=True)
class Group:
    """Rows that came of some coins, and what the table has of these.

    Attributes
    ----------
    old : DataFrame
        Rows as they were read: all of these coins, or those of their seams.
    base : DataFrame
        The same by what is declared newly.
    rows : DataFrame
        Those that came.
    limits : dict of str to MoveLimits
        Of coins whose seams alone are there.
    kept : DataFrame
        ``coin, date`` of rows that the table keeps as they were read; none where there are seams.
    """

    old: pd.DataFrame
    base: pd.DataFrame
    rows: pd.DataFrame
    limits: Mapping[str, MoveLimits]
    kept: pd.DataFrame


def groups_of(table: TableReader, rows: pd.DataFrame, growth: "Growth") -> Iterator[Group]:
    """Yield the coins whose seams are enough, then the others, as many as memory holds.

    Parameters
    ----------
    table : TableReader
    rows : DataFrame
        That came, in `RAW_COLUMNS` and ``older``, by coin and date.
    growth : Growth
        That they are for.
    """
    fresh = growth.fresh
    names = {new: [new] for new in {*rows["coin"], *(split.coin for split in fresh.splits)}}
    for older in sorted(set(fresh.renames) & set(table.coins)):
        names.setdefault(fresh.renames[older], [fresh.renames[older]]).append(older)
    changed = {*(split.coin for split in fresh.splits), *fresh.renames.values()}
    every = sorted({name for group in names.values() for name in group})
    seams = load_seams(table.path / table.manifest["index"], every)
    plain = {coin: seam for coin, seam in seams.items() if coin not in changed}
    limits = limits_after(plain, rows, growth.rules.freq)
    if limits:
        ends = join_seams(seams[coin] for coin in sorted(limits))
        mine = rows[rows["coin"].isin(list(limits))]
        yield Group(ends, ends, mine, limits, empty_raw()[_KEY])
    rest = sorted(set(names) - set(limits))
    counts = rows["coin"].value_counts().add(table.index.set_index("coin")["rows"], fill_value=0)
    sizes = [int(counts.reindex(names[coin]).fillna(0).sum()) + 1 for coin in rest]
    for a, b in pack(sizes, partitions_for(sum(sizes))):
        some = sorted({name for coin in rest[a:b] for name in names[coin]})
        raw = table.load_raw(some)
        old = _all_rows(table, some, raw, seams)
        base = fresh.scale(fresh.rename(old))
        yield Group(old, base, rows[rows["coin"].isin(rest[a:b])], {}, raw[_KEY])


def _all_rows(
    table: TableReader, coins: Sequence[str], raw: pd.DataFrame, seams: Mapping[str, Seam]
) -> pd.DataFrame:
    """Return all rows of coins as they were read; of most, the table knows no file and line."""
    known = set(table.coins)
    there = [coin for coin in coins if coin in known]
    rows = table.partitions(there, 1)[0].read() if there else empty_prices()
    rows = over_rows(rows.assign(file="", line=0, future=False)[list(RAW_COLUMNS)], raw)
    return over_rows(rows, join_seams(seams[coin] for coin in coins if coin in seams))


@dataclass
class Growth:
    """What rows that came change, group by group.

    Attributes
    ----------
    rules : Rules
    declared, fresh : Declared
        All that is declared of the table, and what of it is new.
    looks : list of Look
    merged : list of Merged
    coins : set of str
        Those that were looked at.
    by_end : set of str
        Those of them whose seam alone was.
    """

    rules: Rules
    declared: Declared
    fresh: Declared
    looks: list[Look] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    coins: set[str] = field(default_factory=set)
    by_end: set[str] = field(default_factory=set)
    _new: int = 0
    _revised: int = 0

    def add(self, group: Group, corrections: Corrections) -> None:
        """Add what the rows of a group change.

        Parameters
        ----------
        group : Group
        corrections : {"replace", "keep", "fail"}

        Raises
        ------
        InputError
            By "fail", a row differs from the table's.
        """
        old, rows = group.old, group.rows.reset_index(drop=True)
        known = group.base[~group.base["future"]]
        known = as_price_dtypes(known).reset_index(drop=True)
        older = rows["older"].to_numpy()
        # A row under an older name never takes the place of another.
        steps = [merge_rows(known, rows[~older].reset_index(drop=True), corrections)]
        if older.any():
            steps.append(merge_rows(known, rows[older].reset_index(drop=True), "keep"))
        values = pd.concat([frame for m in steps for frame in (m.added, m.corrected)])
        came = values.merge(rows[[*_KEY, "file", "line", "future"]], on=_KEY, how="left")
        came = came[list(RAW_COLUMNS)].sort_values(_KEY, ignore_index=True)
        new = over_rows(group.base, came)
        self.fresh.check(new)
        step = look(old, new, rows[_KEY], self.rules, limits=group.limits, kept=group.kept)
        came_keys = pd.MultiIndex.from_frame(rows[_KEY])
        touched = pd.concat([step.changed[_KEY], step.removed], ignore_index=True)
        self._new += int(pd.MultiIndex.from_frame(step.added).isin(came_keys).sum())
        self._revised += int((~pd.MultiIndex.from_frame(touched).isin(came_keys)).sum())
        self.looks.append(step)
        self.merged += steps
        self.coins |= {*old["coin"], *rows["coin"]}
        self.by_end |= set(group.limits)

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.fresh) or any(
            len(part)
            for step in self.looks
            for part in (step.changed, step.removed, step.fresh, step.withdrawn, step.kept)
        )

    def counts(self) -> dict[str, int]:
        """Return the numbers of an `AppendResult`."""
        return {
            "new_rows": self._new,
            "corrected_rows": sum(len(merged.corrected) for merged in self.merged),
            "unchanged_rows": sum(merged.unchanged for merged in self.merged),
            "kept_rows": sum(merged.kept for merged in self.merged),
            "revised_rows": self._revised,
        }

    def others_of(self, given: pd.DataFrame) -> pd.DataFrame:
        """Return the findings of reading that looking at the series does not say, or say better.

        Parameters
        ----------
        given : DataFrame
        """
        seen = join_findings(step.findings for step in self.looks)
        keys, known = (pd.MultiIndex.from_frame(table[FINDING_KEY]) for table in (given, seen))
        again = given["kind"].isin(ROW_KINDS) & keys.isin(known)
        return given[~again & ~given["kind"].isin(NEIGHBOUR_KINDS)]

    def join(self, part: str) -> pd.DataFrame:
        """Return one part of all looks, by coin and date."""
        frames = [getattr(step, part) for step in self.looks]
        frames = [frame for frame in frames if len(frame)] or frames[:1] or [empty_raw()]
        joined: pd.DataFrame = pd.concat(frames, ignore_index=True)
        return joined.sort_values(_KEY, kind="stable", ignore_index=True)


def write_growth(
    writer: Writer,
    table: TableReader,
    growth: Growth,
    given: pd.DataFrame,
    about: pd.DataFrame,
    further: OwnGrowth,
) -> Manifest:
    """Write the files of an append, and return what the new manifest names.

    Parameters
    ----------
    writer : Writer
    table : TableReader
        As it was.
    growth : Growth
    given : DataFrame
        Findings of reading the rows.
    about : DataFrame
        Findings of looking at the series, as they were dealt with.
    further : OwnGrowth
        What changes of own columns.
    """
    rows, raw = as_price_dtypes(growth.join("changed")), growth.join("kept")
    removed = growth.join("removed")
    index = _grown_index(table, growth)
    if index.empty:
        raise InputError(
            f"{table.path}: the policies would leave no row of any coin; nothing was written"
        )
    had = table.manifest
    touched = set(table.index.loc[table.index["coin"].isin(removed["coin"]), "part"])
    parts, deltas = take_out(writer, had, removed, touched)
    used = sorted(set(index["part"]))  # a part whose coins have all gone goes too
    index = index.assign(part=index["part"].map({part: i for i, part in enumerate(used)}))
    delta: dict[str, Any] = {
        "rows": write_rows(writer, "delta", rows, 0),
        "first": rows["coin"].iloc[0] if len(rows) else "",
        "last": rows["coin"].iloc[-1] if len(rows) else "",  # "" is before all: it is never read
    }
    findings = _findings_of(table, growth, given, about)
    if len(findings):
        delta["findings"] = writer.write("findings", findings)
    if len(raw):
        delta["raw"] = write_raw(writer, raw)
    if len(further.rows):
        delta["own"] = writer.write("own", further.rows)
    empty = _empty_after(table, growth, set(index["coin"]))
    new_index = join_index([index], empty, _seams_after(table, growth))
    same = ("freq", "policies", "findings", "raw", *(["own"] if had["own"] else []))
    return {
        **{name: had[name] for name in same},
        "parts": [parts[i] for i in used],
        "deltas": [*deltas, delta],
        "index": writer.write("index", new_index),
        "splits": growth.declared.texts()[0],
        "renames": growth.declared.texts()[1],
    }


def _seams_after(table: TableReader, growth: Growth) -> dict[str, str]:
    """Return the seams of all coins, as JSON."""
    seams = load_seam_texts(table.path / table.manifest["index"])
    seams = {coin: text for coin, text in seams.items() if coin not in growth.coins}
    for step in growth.looks:
        seams |= {coin: seam.encode() for coin, seam in step.seams.items()}
    return seams


def _grown_index(table: TableReader, growth: Growth) -> pd.DataFrame:
    """Return the index of the coins with rows, as they will be."""
    counted = count_rows(growth.join("settled"))
    was = counted[["coin"]].merge(table.index, on="coin", how="left")
    by_end = counted["coin"].isin(growth.by_end)
    # Of these only the end was looked at, and the rows before it are as they were.
    more = counted["coin"].map(growth.join("added")["coin"].value_counts()).fillna(0)
    fewer = counted["coin"].map(growth.join("removed")["coin"].value_counts()).fillna(0)
    rows = counted["rows"].mask(by_end, was["rows"].fillna(0) + more - fewer)
    counted = counted.assign(
        rows=rows.astype("int64"), first=counted["first"].mask(by_end, was["first"])
    )
    gone = growth.coins - set(counted["coin"])
    return change_index(table.index, counted, gone)


def _empty_after(table: TableReader, growth: Growth, full: set[str]) -> dict[str, str]:
    """Return why coins have no row."""
    why = "not one row of it is left by the policies; `cryptodask prices check` says why"
    gone = growth.coins - full - set(growth.declared.renames)
    return {coin: reason for coin, reason in table.empty.items() if coin not in full} | {
        coin: f"{coin}: {why}" for coin in sorted(gone)
    }


def _findings_of(
    table: TableReader, growth: Growth, given: pd.DataFrame, about: pd.DataFrame
) -> pd.DataFrame:
    """Return findings to be kept with an append, and those that it withdraws."""
    keys = pd.MultiIndex.from_frame(join_findings(s.fresh for s in growth.looks)[FINDING_KEY])
    fresh = about[pd.MultiIndex.from_frame(about[FINDING_KEY]).isin(keys)].reset_index(drop=True)
    if (fresh["file"] == "").any():
        fresh = with_places(fresh, table.findings([*NEIGHBOUR_KINDS, *ROW_KINDS]))
    now = join_findings(
        [given, fresh, growth.fresh.findings(), *(merged.findings for merged in growth.merged)]
    )
    gone = join_findings(step.withdrawn for step in growth.looks)
    if gone.empty:
        return now
    both = pd.concat([now, gone], ignore_index=True) if len(now) else gone
    return both.assign(**{WITHDRAWN: [False] * len(now) + [True] * len(gone)})


def with_places(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return rows, or findings, with the file and line that findings about their bars have.

    Parameters
    ----------
    rows : DataFrame, ``(n_rows,)``
        ``coin, date, file, line``; those without a file are filled in.
    known : DataFrame
        Findings.
    """
    blank = (rows["file"] == "").to_numpy()
    places = known[(known["file"] != "") & known["date"].notna()]
    if not blank.any() or places.empty:
        return rows
    places = places.drop_duplicates(_KEY)[[*_KEY, "file", "line"]]
    named = rows[_KEY].merge(places, on=_KEY, how="left")
    blank = blank & named["file"].notna().to_numpy()
    return rows.assign(
        file=np.where(blank, named["file"], rows["file"]),
        line=np.where(blank, named["line"].fillna(0), rows["line"]).astype("int64"),
    ).astype({"file": "str"})
