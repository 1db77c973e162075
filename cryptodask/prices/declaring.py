"""Read a source of prices by what a user declares of its coins."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import methodcaller
from typing import Any

import pandas as pd

from cryptodask.prices.clean.cleaning import settle_reading
from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.findings import NEIGHBOUR_KINDS, ROW_KINDS
from cryptodask.prices.clean.policies import Policies
from cryptodask.prices.own import rows_by_name
from cryptodask.prices.partition import Source, pack
from cryptodask.prices.reading import Reading


def declared_readings(
    source: Source,
    declared: Declared,
    policies: Policies,
    n: int | None,
    run: Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]],
) -> Iterator[Reading]:
    """Yield readings of whole coins under their last names, in order, with splits applied.

    Parameters
    ----------
    source : Source
        Read by `cryptodask.prices.clean.policies.without_series`.
    declared : Declared
    policies : mapping of str to str
        What is done about findings in the series.
    n : int or None
        Number of partitions; see `cryptodask.prices.partition.pack`.
    run : callable
        As of `cryptodask.prices.import_prices`.

    Raises
    ------
    InputError
        The factor of a split is the wrong way round.
    PolicyError
        There is a finding whose policy is to fail.
    """
    names: dict[str, list[str]] = {}
    for coin in source.coins:
        names.setdefault(declared.renames.get(coin, coin), []).append(coin)
    groups = [names[coin] for coin in sorted(names)]
    coins = [coin for group in groups for coin in group]
    ends = [0, *accumulate(map(len, groups))]
    spans = pack([int(source.rows_of(group).sum()) for group in groups], n)
    packed = source.pick(coins, [(ends[a], ends[b]) for a, b in spans])
    # By the method's name, since functions that workers run belong to `cryptodask.worker`.
    for reading in run(methodcaller("load"), packed):
        yield _declare(reading, declared, policies, source.freq)


def _declare(reading: Reading, declared: Declared, policies: Policies, freq: str) -> Reading:
    """Return a reading by what is declared of its coins."""
    rows = declared.scale(declared.rename(reading.raw()))
    declared.check(rows)
    others = reading.findings[~reading.findings["kind"].isin([*NEIGHBOUR_KINDS, *ROW_KINDS])]
    coins: pd.Series = others["coin"].replace(dict(declared.renames)).astype("str")
    settled = settle_reading(rows, others.assign(coin=coins), policies, freq)
    further = None if reading.further is None else rows_by_name(reading.further, declared.renames)
    return replace(settled, further=further)
