"""Coins by the names that people type: as written, in another case, or by symbol."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from cryptodask.errors import NoPricesError, UnknownCoinError


class CoinNames:
    """The coins of a source, to look names up.

    Parameters
    ----------
    coins : sequence of str
        With prices.
    empty : mapping of str to str
        Coins without, and why.
    symbols : mapping of str to str
        Symbol of a coin -> that coin, where files have both.
    """

    def __init__(
        self,
        coins: Sequence[str],
        empty: Mapping[str, str],
        symbols: Mapping[str, str] | None = None,
    ) -> None:
        self.coins, self.empty = coins, empty
        self._known = frozenset([*coins, *empty])
        self._folded = _by_fold((coin, coin) for coin in [*coins, *empty])
        self._symbols = _by_fold((symbols or {}).items())

    def find(self, name: str) -> str | None:
        """Return the coin that a name is of, or None.

        A name is a coin's as it is written; or but for its case, where that is one coin; or a
        symbol that files have beside one coin.

        Parameters
        ----------
        name : str
        """
        if name in self._known:
            return name
        for names in (self._folded, self._symbols):
            several = names.get(name.casefold(), set())
            if len(several) == 1:
                return next(iter(several))
        return None

    def check(self, name: str) -> str:
        """Return the coin that a name is of.

        Parameters
        ----------
        name : str

        Raises
        ------
        UnknownCoinError
            There is none, or it may be several.
        NoPricesError
            It has not one row.
        """
        coin = self.find(name)
        if coin is None:
            raise UnknownCoinError(f"{name!r}: {self._why_unknown(name)}")
        if coin in self.empty:
            raise NoPricesError(self.empty[coin])
        return coin

    def _why_unknown(self, name: str) -> str:
        several = self._folded.get(name.casefold()) or self._symbols.get(name.casefold())
        if several:
            return f"may be {' or '.join(sorted(several))}; write it as one of them"
        by_fold = {coin.casefold(): coin for coin in self.coins}
        close = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.5)
        near = [by_fold[fold] for fold in close]
        hint = f"did you mean {', '.join(near)}?" if near else "get_crypto_names() lists them"
        return f"no coin of that name among the {len(self.coins)} of the source; {hint}"


def _by_fold(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return coins by another name of theirs in one case."""
    folded: dict[str, set[str]] = {}
    for name, coin in pairs:
        folded.setdefault(name.casefold(), set()).add(coin)
    return folded
