"""A Dask frame as a source of prices, which stays where its cluster has it.

Its rows are shuffled so that each coin is whole in one part, and each part is cleaned by the
worker that has it. The client gets the first rows of each partition, to see what the columns
mean, the names of the coins, and findings; tasks get their parts from the workers that hold them.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import InputError
from cryptodask.prices.clean.cleaning import join_readings
from cryptodask.prices.clean.findings import empty_findings, join_findings
from cryptodask.prices.frames import pieces
from cryptodask.prices.frames.held import join_digests
from cryptodask.prices.frames.kinds import DaskFrame, library_of
from cryptodask.prices.partition import pack
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.reading import Reading

if TYPE_CHECKING:
    from dask.distributed import Client


@dataclass(frozen=True)
class DaskPartition:
    """Coins in parts of a frame; for this process, which reads them through its client."""

    coins: tuple[str, ...]
    numbers: tuple[int, ...]
    rows: int
    freq: str
    source: "DaskFrameSource"
    paths: tuple[str, ...] = ()

    def read(self) -> pd.DataFrame:
        """Return the rows."""
        return self.load().prices

    def load(self, columns: Sequence[str] | None = None) -> Reading:
        """Return the rows, all columns, and the findings about them; see `Partition`."""
        del columns
        parts = self.source.hold()
        readings = (parts[number] for number in self.numbers)
        return join_readings(
            (
                pieces.pick_coins(r if isinstance(r, Reading) else r.result(), self.coins)
                for r in readings
            ),
            empty_findings(),
        )

    def keys(self) -> tuple[Any, ...]:
        """Return the keys of the parts on the cluster; or the parts, where there is none."""
        held = self.source.hold()
        return tuple(getattr(held[number], "key", held[number]) for number in self.numbers)


class DaskFrameSource:
    """Prices of a Dask frame, read by the rules for files; see `Source`.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
        It is computed twice: to see what it holds, and to shuffle it. Persist it where that is
        expensive.
    options : ReadOptions
        What the frame leaves open.

    Raises
    ------
    InputError
        It is not a frame of prices, or does not name its coins.
    """

    seconds_a_row = 2e-7
    is_shared = False

    def __init__(self, frame: DaskFrame, options: ReadOptions = DEFAULT_OPTIONS) -> None:
        import dask

        if not hasattr(frame, "columns"):
            raise InputError(
                f"{library_of(frame)}: is a Dask series; give a frame with columns coin, date and "
                "close"
            )
        self.name, self.options, self._frame = library_of(frame), options, frame
        each = max(pieces.SAMPLE // max(frame.npartitions, 1), 25)
        delayed = frame.to_delayed()
        looks = dask.compute(*[dask.delayed(pieces.look_at)(piece, each) for piece in delayed])
        self.layout = pieces.decide(looks, options)
        self.freq = self.layout.options.freq or ""
        before = np.cumsum([0, *(look.rows for look in looks)]).tolist()
        rows = dask.persist(
            *[
                dask.delayed(pieces.normalise)(piece, self.layout, start)
                for piece, start in zip(delayed, before, strict=False)
            ]
        )
        self._plan_parts(dask.compute(*[dask.delayed(pieces.count_coins)(part) for part in rows]))
        self._readings = self._shuffled(rows)
        self._held: list[Any] | None = None
        self._client: Client | None = None
        self.empty: dict[str, str] = {}

    def _plan_parts(self, counts: Sequence[pd.DataFrame]) -> None:
        """Decide on coins and on the part of each. Names that differ by case are one coin."""
        names = pd.concat(counts, ignore_index=True).sort_values("first", kind="stable")
        names = names[names["coin"] != ""]
        if names.empty:
            raise InputError(f"{self.name}: its column of coins names none")
        key = names["coin"].map(str.casefold)
        names = names.assign(right=names.groupby(key)["coin"].transform("first"))
        others = names[names["coin"] != names["right"]]
        self._names = dict(zip(others["coin"], others["right"], strict=True))
        sizes = names.groupby("right")["size"].sum().sort_index()
        self.coins = [str(coin) for coin in sizes.index]
        self._sizes = dict(zip(self.coins, sizes.tolist(), strict=True))
        self._part = {
            coin: number
            for number, (a, b) in enumerate(pack(sizes.tolist()))
            for coin in self.coins[a:b]
        }

    def _shuffled(self, rows: Sequence[Any]) -> list[Any]:
        """Return what will be the reading of each part."""
        import dask
        import dask.dataframe as dd

        sent = [dask.delayed(pieces.send)(part, self._names, self._part) for part in rows]
        n = max(self._part.values()) + 1
        # A part has its own number as its only index, so that no coin is in two of them.
        frame = dd.from_delayed(sent, verify_meta=False)
        parts = frame.set_index(pieces.PART, divisions=list(range(n + 1))).to_delayed()
        return [dask.delayed(pieces.read_part)(part, self.layout) for part in parts]

    def hold(self, client: "Client | None" = None) -> list[Any]:
        """Have the parts made, on the workers of a client, and keep them there.

        Parameters
        ----------
        client : dask.distributed.Client, optional
            By default the current one. Without any, the parts come into this process.

        Returns
        -------
        list of Future, or of Reading without a client
            One a part.
        """
        if self._held is None:
            import dask
            from dask.distributed import get_client, wait

            if client is None:
                with suppress(ValueError):
                    client = get_client()
            self._client = client
            if client is None:
                self._held = list(dask.compute(*self._readings))
            else:
                self._held = client.compute(self._readings)
                # A task that waits for a part would take the thread that makes it.
                wait(self._held)
            self._readings = []
        return self._held

    def _of_parts(self, function: Any) -> list[Any]:
        """Call a function for the reading of each part, where that is."""
        import dask

        parts = self.hold()
        with self._client.as_current() if self._client is not None else nullcontext():
            return list(dask.compute(*[dask.delayed(function)(part) for part in parts]))

    def with_own(self, columns: Iterable[str]) -> "DaskFrameSource":
        """Return the source with the own columns that models ask for; see `Source`.

        The frame is computed again for them.
        """
        options = self.options.with_own(columns)
        if options == self.options:
            return self
        return DaskFrameSource(self._frame, options)

    def further(self) -> list[str]:
        """Return the names of columns that are none of prices and are not read; see `Source`."""
        read = {*self.layout.columns.values(), *self.layout.coins, self.layout.clock}
        read |= {*self.options.further, *self.options.facts}
        return [str(name) for name in self._frame.columns if str(name) not in read]

    @property
    def rows(self) -> int:
        """Rows of all coins, those that can't be read among them."""
        return sum(self._sizes.values())

    def rows_of(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of each coin; see `Source`."""
        return np.array([self._sizes[coin] for coin in coins], dtype=np.int64)

    def file_boundaries(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return where, among these coins, a part ends; see `Source`."""
        return np.flatnonzero(np.diff([self._part[coin] for coin in coins])) + 1

    def pick(self, coins: Sequence[str], spans: Iterable[tuple[int, int]]) -> list[DaskPartition]:
        """Return a partition for each span of these coins; see `Source`."""
        return [
            DaskPartition(
                coins=tuple(coins[a:b]),
                numbers=tuple(sorted({self._part[coin] for coin in coins[a:b]})),
                rows=int(self.rows_of(coins[a:b]).sum()),
                freq=self.freq,
                source=self,
            )
            for a, b in spans
        ]

    def partitions(self, coins: Sequence[str], n: int | None = None) -> list[DaskPartition]:
        """Return partitions of these coins, by default the parts; see `Source`."""
        if n is not None:
            return self.pick(coins, pack(self.rows_of(coins), n))
        edges = [0, *self.file_boundaries(coins).tolist(), len(coins)]
        return self.pick(coins, pairwise(edges) if len(coins) else [])

    def findings(self) -> pd.DataFrame:
        """Return what was found in the frame; see `Source`."""
        return join_findings([self.layout.findings, *self._of_parts(pieces.findings_of)])

    def file_findings(self) -> pd.DataFrame:
        """Return what was found about the frame as a whole."""
        return self.layout.findings

    def fingerprint(self) -> str:
        """Return a digest of the rows, by which a run recognises the same prices."""
        digests: dict[str, str] = {}
        lost_rows: list[str] = []
        for coins, lines in self._of_parts(pieces.digest_part):
            digests |= coins
            lost_rows += lines
        return join_digests(digests, self.freq, lost_rows)
