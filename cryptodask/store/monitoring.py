"""What the monitor reads from a store, and the numbers that it leaves there."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Column, Float, String, Table, delete, func, insert, select, text

from cryptodask.evaluate.rows import BOUNDS
from cryptodask.store.connect import writing
from cryptodask.store.schema import (
    FAILURES,
    FORECASTS,
    JUDGEMENTS,
    METADATA,
    REQUESTS,
    RUNS,
    Stamp,
)
from cryptodask.store.store import Store

MONITOR = Table(
    "monitor",
    METADATA,
    Column("day", Stamp, primary_key=True),
    Column("model", String, primary_key=True),
    Column("measure", String(40), primary_key=True),
    Column("value", Float(53)),
    Column("least", Float(53)),
    Column("most", Float(53)),
)
"""A number of a day and model, and between what it should lie."""


class MonitorStore(Store):
    """A store as the monitor uses it; see `cryptodask.store.store.Store`.

    Parameters
    ----------
    place : str or path
    make : bool
        Whether a file that is not there is made.
    """

    def __enter__(self) -> "MonitorStore":
        return self

    def models(self) -> list[str]:
        """Return the models whose forecasts are stored, in order."""
        # By the runs, which are few.
        named = self._frame(select(RUNS.c.models).distinct())["models"]
        return sorted({model for names in named for model in json.loads(names)})

    def rows_of_days(
        self,
        model: str | None,
        step: int | None,
        since: pd.Timestamp,
        until: pd.Timestamp,
        coins: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return forecasts for some days; of a coin, model, step and day those of the latest run.

        Parameters
        ----------
        model : str or None
            None for all.
        step : int or None
            Bars ahead; None for all.
        since, until : Timestamp
            First and last cutoff.
        coins : sequence of str, optional
            Only these.

        Returns
        -------
        DataFrame
            ``run, model, coin, cutoff, date, step, forecast`` and bounds, prices in the quote
            currency.
        """
        names = ("run", "model", "coin", "cutoff", "date", "step", "forecast", *BOUNDS)
        first, last = since.to_datetime64(), until.to_datetime64()
        runs = select(RUNS.c.id).where(RUNS.c.last_cutoff >= first, RUNS.c.first_cutoff <= last)
        query = select(*(FORECASTS.c[name] for name in names)).where(
            FORECASTS.c.run.in_(runs), FORECASTS.c.cutoff >= first, FORECASTS.c.cutoff <= last
        )
        for name, value in (("model", model), ("step", step)):
            query = query if value is None else query.where(FORECASTS.c[name] == value)
        query = query if coins is None else query.where(FORECASTS.c.coin.in_(coins))
        rows = self._frame(query).sort_values(["coin", "cutoff", "run"], kind="stable")
        key = ["model", "coin", "date", "step"]
        return rows.drop_duplicates(key, keep="last", ignore_index=True)

    def requests_since(self, since: pd.Timestamp) -> pd.DataFrame:
        """Return trades that rules asked for, with what these saw, the latest first.

        Parameters
        ----------
        since : Timestamp
            First cutoff.

        Returns
        -------
        DataFrame
            ``cutoff, coin, model, rule, side, weight, seen``, the last as JSON.
        """
        names = ("cutoff", "coin", "model", "side", "weight")
        query = (
            select(*(REQUESTS.c[name] for name in names), JUDGEMENTS.c.rule, JUDGEMENTS.c.seen)
            .join(JUDGEMENTS, JUDGEMENTS.c.id == REQUESTS.c.judgement)
            .where(REQUESTS.c.cutoff >= since.to_datetime64())
            .order_by(REQUESTS.c.cutoff.desc(), REQUESTS.c.coin)
        )
        return self._frame(query)

    def failures_by_run(self) -> pd.DataFrame:
        """Return how many forecasts each run lacks: ``run, failures``."""
        count = func.count().label("failures")
        return self._frame(select(FAILURES.c.run, count).group_by(FAILURES.c.run))

    def add_numbers(self, day: str, model: str, numbers: Iterable[dict[str, Any]]) -> None:
        """Store the numbers of a day and model, in place of those that were there.

        Parameters
        ----------
        day : str
        model : str
        numbers : iterable of dict
            ``measure, value, least, most``.
        """
        rows = [{"day": day, "model": model, **number} for number in numbers]
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                # Two that watch the same day would each delete nothing, and insert the same.
                connection.execute(text("LOCK TABLE monitor IN SHARE ROW EXCLUSIVE MODE"))
            same = MONITOR.c.day == day, MONITOR.c.model == model
            connection.execute(delete(MONITOR).where(*same))
            if rows:
                connection.execute(insert(MONITOR), rows)

    def numbers(self, model: str | None = None) -> pd.DataFrame:
        """Return the numbers of all days: ``day, model, measure, value, least, most``.

        Parameters
        ----------
        model : str, optional
            Only this one's.
        """
        where = [] if model is None else [MONITOR.c.model == model]
        frame = self._frame(select(MONITOR).where(*where))
        return frame.sort_values(["model", "measure", "day"], ignore_index=True)
