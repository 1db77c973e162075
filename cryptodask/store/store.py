"""`Store`: a database of runs and what they forecast."""

import os
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Select, and_, func, select

from cryptodask.errors import OptionError, UnknownCoinError, UnknownModelError
from cryptodask.prices.days import read_day
from cryptodask.store.adding import StoredRun, add_run
from cryptodask.store.connect import connect, shown
from cryptodask.store.days import (
    add_actuals,
    add_alerts,
    add_judgements,
    add_requests,
    known_closes,
)
from cryptodask.store.exchanging import Exchanging
from cryptodask.store.records import Alert, Judgement, Request
from cryptodask.store.schema import (
    ALERTS,
    FAILURES,
    FORECASTS,
    JUDGEMENTS,
    REQUESTS,
    RUNS,
    SCORES,
    VERSIONS,
)
from cryptodask.store.trading import Trading
from cryptodask.text import shown_names

LATEST = "2099-12-31"
"""A day after all forecasts."""

Names = str | Sequence[str] | None
Date = str | pd.Timestamp | datetime | None


class Store(Trading, Exchanging):
    """A store of forecasts; see `cryptodask.store.open_store`.

    Several processes may have it open, and one at a time writes to SQLite: others wait a minute.

    Parameters
    ----------
    place : str or path
        A file of SQLite, or a URL of PostgreSQL.
    make : bool
        Whether a file that is not there is made.
    """

    def __init__(self, place: "str | os.PathLike[str]", *, make: bool = True) -> None:
        self._engine = connect(place, make=make)
        self.name = shown(self._engine)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.name!r})"

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def add(
        self, folder: "str | os.PathLike[str]", without: Collection[tuple[str, str]] = ()
    ) -> StoredRun:
        """Store the result of a run from its folder, whole or not at all.

        No more than one file of the folder is in memory. A run that is stored is compared, number
        by number, and nothing changes.

        Parameters
        ----------
        folder : str or path
            Of a forecast, a prediction, or a backtest, whose scores and failures are stored.
        without : collection of (str, str)
            Coins and models whose forecasts are left out.

        Raises
        ------
        TableError
            The folder holds no result that is whole.
        InputError
            It is of something else.
        DamagedFileError
            A file in it is not as it was written.
        StoreError
            The run is stored with other numbers; the message shows one of each.
        """
        return add_run(self._engine, os.fspath(folder), frozenset(without))

    def forecasts(
        self,
        coin: Names = None,
        model: Names = None,
        as_of: Date = None,
        run: int | None = None,
    ) -> pd.DataFrame:
        """Return forecasts that are stored.

        Parameters
        ----------
        coin, model : str or sequence of str, optional
            Only these; by default all.
        as_of : str or date, optional
            Of each coin and model only the latest forecast whose cutoff is not after this day; of
            one cutoff, that of the run that was stored last.
        run : int, optional
            Only those of this run.

        Returns
        -------
        DataFrame
            A forecast table by coin, model, cutoff, run and step, with a column ``run`` in front.

        Raises
        ------
        UnknownCoinError, UnknownModelError
            A coin or model that is named has no such forecast in the store.
        OptionError
            ``as_of`` is not a day.
        """
        query = select(FORECASTS).where(*_of(FORECASTS, coin, model, run))
        if as_of is not None:
            query = self._latest(coin, model, as_of, run)
        frame = self._frame(query)
        self._check_names("coin", coin, frame)
        self._check_names("model", model, frame)
        return _ordered(frame)

    def latest(self, coins: Names = None, model: Names = None) -> pd.DataFrame:
        """Return the latest forecast of each coin and model; see `forecasts`.

        Parameters
        ----------
        coins, model : str or sequence of str, optional
            Only these; by default all.
        """
        return self.forecasts(coins, model, as_of=LATEST)

    def coins(self) -> list[str]:
        """Return the coins that have a forecast, in order."""
        query = select(FORECASTS.c.coin).where(FORECASTS.c.step == 1).distinct()
        return sorted(self._frame(query)["coin"].tolist())

    def runs(self) -> pd.DataFrame:
        """Return the runs that are stored, in the order in which they were."""
        return self._frame(select(RUNS).order_by(RUNS.c.id))

    def failures(self, run: int | None = None) -> pd.DataFrame:
        """Return what has no forecast, and why: ``run, coin, model, cutoff, exception, message``.

        Parameters
        ----------
        run : int, optional
            Only those of this run.
        """
        columns = [column for column in FAILURES.c if column.name != "id"]
        where = [] if run is None else [FAILURES.c.run == run]
        return self._frame(select(*columns).where(*where).order_by(FAILURES.c.id))

    def scores(self, run: int | None = None) -> pd.DataFrame:
        """Return the scores of backtests: ``run, model, score, value``.

        Parameters
        ----------
        run : int, optional
            Only those of this run.
        """
        where = [] if run is None else [SCORES.c.run == run]
        return self._frame(select(SCORES).where(*where).order_by(*SCORES.primary_key))

    def versions(self, run: int | None = None) -> pd.DataFrame:
        """Return the versions of models that runs predicted from: ``run, label, path``.

        Parameters
        ----------
        run : int, optional
            Only those of this run.
        """
        where = [] if run is None else [VERSIONS.c.run == run]
        return self._frame(select(VERSIONS).where(*where).order_by(*VERSIONS.primary_key))

    def add_actuals(self, closes: pd.DataFrame, seen: str | None = None) -> int:
        """Store closes that came, as they are known now; return how many are new or corrected.

        Parameters
        ----------
        closes : DataFrame
            ``coin, date, close``, in the quote currency, as a price table has them.
        seen : str, optional
            When they were read, in UTC; by default now.
        """
        return add_actuals(self._engine, closes, seen)

    def actuals(self, coin: Names = None, since: Date = None, as_of: Date = None) -> pd.DataFrame:
        """Return closes that came, as they were known last: ``coin, date, close``.

        Parameters
        ----------
        coin : str or sequence of str, optional
            Only these; by default all.
        since : str or date, optional
            First day.
        as_of : str or date, optional
            As they were known at this moment in UTC; by default now.
        """
        moments = _moment("since", since), _moment("as_of", as_of)
        coins = None if coin is None else _several(coin)
        frame = self._frame(known_closes(moments[0], coins, moments[1])).drop(columns="seen")
        return frame.sort_values(["coin", "date"], ignore_index=True)

    def add_alerts(self, alerts: Iterable[Alert]) -> int:
        """Store alerts that are not there yet; return how many were not.

        Parameters
        ----------
        alerts : iterable of Alert
        """
        return add_alerts(self._engine, alerts)

    def add_judgements(self, judgements: Iterable[Judgement]) -> int:
        """Store judgements that are not there yet; return how many were not.

        Parameters
        ----------
        judgements : iterable of Judgement

        Raises
        ------
        StoreError
            One is there with another action.
        """
        return add_judgements(self._engine, judgements)

    def add_requests(self, requests: Iterable[Request]) -> int:
        """Store requests for trades that are not there yet; return how many were not.

        Parameters
        ----------
        requests : iterable of Request
        """
        return add_requests(self._engine, requests)

    def alerts(self) -> pd.DataFrame:
        """Return all alerts: ``id, key, at, kind, subject, value, least, most, message``."""
        return self._frame(select(ALERTS).order_by(ALERTS.c.id))

    def judgements(self) -> pd.DataFrame:
        """Return what rules saw and did: ``id, run_key, rule, coin, model, at, action, seen``."""
        return self._frame(select(JUDGEMENTS).order_by(JUDGEMENTS.c.id))

    def requests(self) -> pd.DataFrame:
        """Return the trades that rules asked for, each with the number and rule of its judgement.

        Columns are ``id, key, judgement, rule, coin, model, cutoff, side, weight, at``.
        """
        first, others = list(REQUESTS.c)[:3], list(REQUESTS.c)[3:]
        joined = REQUESTS.join(JUDGEMENTS, JUDGEMENTS.c.id == REQUESTS.c.judgement)
        columns = [*first, JUDGEMENTS.c.rule, *others]
        return self._frame(select(*columns).select_from(joined).order_by(REQUESTS.c.id))

    def _latest(self, coin: Names, model: Names, as_of: Any, run: int | None) -> "Select[Any]":
        """Return the query of `forecasts` as of a date, which finds the first steps by an index."""
        keys = FORECASTS.c.coin, FORECASTS.c.model
        newest = FORECASTS.c.cutoff.desc(), FORECASTS.c.run.desc()
        heads = (
            select(
                *keys,
                FORECASTS.c.cutoff,
                FORECASTS.c.run,
                func.row_number().over(partition_by=keys, order_by=newest).label("place"),
            )
            .where(FORECASTS.c.step == 1, FORECASTS.c.cutoff <= _end_of(as_of))
            .where(*_of(FORECASTS, coin, model, run))
            .subquery()
        )
        names = ("coin", "model", "cutoff", "run")
        same = and_(*(FORECASTS.c[name] == heads.c[name] for name in names))
        return select(FORECASTS).join(heads, same).where(heads.c.place == 1)

    def _check_names(self, column: str, names: Names, frame: pd.DataFrame) -> None:
        """Refuse names of coins or models that no row has."""
        missing = sorted(set(_several(names)) - set(frame[column])) if names is not None else []
        if missing:
            error = UnknownCoinError if column == "coin" else UnknownModelError
            raise error(
                f"{column} {shown_names(missing)}: no such forecast in {self.name}; "
                "`cryptodask store latest` lists what is there"
            )


def _end_of(day: Any) -> np.datetime64:
    """Return the last second of a day that a user gave."""
    return read_day("as_of", day) + np.timedelta64(86_399, "s")


def _moment(option: str, given: Date) -> np.datetime64 | None:
    if given is None:
        return None
    try:
        moment = pd.Timestamp(given)
    except (ValueError, TypeError) as error:
        raise OptionError(f"{option}: {given!r} is not a moment in UTC: {error}") from error
    return moment.to_datetime64()


def _several(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _of(table: Any, coin: Names, model: Names, run: int | None) -> list[Any]:
    """Return the conditions that these names make."""
    chosen = {"coin": coin, "model": model}
    where = [table.c[key].in_(_several(n)) for key, n in chosen.items() if n is not None]
    return [*where, *([] if run is None else [table.c.run == run])]


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return forecasts in one order, whatever a database's collation is."""
    by = ["coin", "model", "cutoff", "run", "step"]
    return frame.sort_values(by, kind="stable", ignore_index=True)
