"""What a day brings beside runs: closes that came, judgements, requests and alerts."""

import json
from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, Select, func, insert, select

from cryptodask.errors import StoreError
from cryptodask.store.adding import insert_new, now
from cryptodask.store.bulk import iso_texts
from cryptodask.store.connect import writing
from cryptodask.store.frames import frame_of
from cryptodask.store.records import Alert, Judgement, Request
from cryptodask.store.schema import ACTUALS, ALERTS, JUDGEMENTS, REQUESTS


def add_actuals(engine: Engine, closes: pd.DataFrame, seen: str | None = None) -> int:
    """Store closes that are new, or that differ from what was known; return how many were.

    Parameters
    ----------
    engine : Engine
    closes : DataFrame
        ``coin, date, close``, in the quote currency; others are ignored.
    seen : str, optional
        When they were, in UTC; by default now, or just after what was known, if the clock was set
        back.
    """
    if closes.empty:
        return 0
    with writing(engine) as connection:
        since = closes["date"].min().to_datetime64()
        known = frame_of(connection, known_closes(since))
        both = closes[["coin", "date", "close"]].merge(
            known, on=["coin", "date"], how="left", suffixes=("", "_known")
        )
        rows = both[both["close"] != both["close_known"]]
        if len(rows):
            columns = (
                rows["coin"].tolist(),
                iso_texts(rows["date"]),
                [seen] * len(rows) if seen else _after(rows["seen"]),
                rows["close"].tolist(),
            )
            names = ("coin", "date", "seen", "close")
            values = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
            connection.execute(insert(ACTUALS), values)
        return len(rows)


def _after(seen: "pd.Series[Any]") -> list[str]:
    """Return for each close the present moment, or the one after it was known last, if later."""
    present = np.datetime64(now(), "s")
    following = seen.to_numpy().astype("datetime64[s]") + np.timedelta64(1, "s")
    return iso_texts(pd.Series(np.fmax(following, present)))  # of no time, the other


def known_closes(
    since: Any = None, coins: "list[str] | None" = None, as_of: Any = None
) -> "Select[Any]":
    """Return the query of closes as they were known last: ``coin, date, close, seen``.

    Parameters
    ----------
    since : date, optional
        First day.
    coins : list of str, optional
    as_of : date, optional
        What was known then; by default now.
    """
    keys = ACTUALS.c.coin, ACTUALS.c.date
    conditions = [] if since is None else [ACTUALS.c.date >= since]
    conditions += [] if coins is None else [ACTUALS.c.coin.in_(coins)]
    conditions += [] if as_of is None else [ACTUALS.c.seen <= as_of]
    place = func.row_number().over(partition_by=keys, order_by=ACTUALS.c.seen.desc())
    latest = (
        select(*keys, ACTUALS.c.close, ACTUALS.c.seen, place.label("place"))
        .where(*conditions)
        .subquery()
    )
    names = ("coin", "date", "close", "seen")
    return select(*(latest.c[name] for name in names)).where(latest.c.place == 1)


def add_alerts(engine: Engine, alerts: Iterable[Alert]) -> int:
    """Store alerts that are not there yet; return how many were not.

    Parameters
    ----------
    engine : Engine
    alerts : iterable of Alert
    """
    rows = [attrs.asdict(alert) | {"at": now()} for alert in alerts]
    with writing(engine) as connection:
        return sum(_added(connection, ALERTS, row) for row in rows)


def add_judgements(engine: Engine, judgements: Iterable[Judgement]) -> int:
    """Store judgements that are not there yet; return how many were not.

    Parameters
    ----------
    engine : Engine
    judgements : iterable of Judgement

    Raises
    ------
    StoreError
        One is there with another action, as after rules were changed.
    """
    with writing(engine) as connection:
        return sum(_judge(connection, judgement)[1] for judgement in judgements)


def add_requests(engine: Engine, requests: Iterable[Request]) -> int:
    """Store requests, with their judgements, that are not there yet; return how many were not.

    Parameters
    ----------
    engine : Engine
    requests : iterable of Request
    """
    added = 0
    with writing(engine) as connection:
        for request in requests:
            judgement, _ = _judge(connection, request.judgement)
            row = {
                "key": request.key,
                "judgement": judgement,
                "coin": request.judgement.coin,
                "model": request.judgement.model,
                "cutoff": request.cutoff,
                "side": request.side,
                "weight": request.weight,
                "at": now(),
            }
            if _added(connection, REQUESTS, row):
                added += 1
            else:
                _check_same(connection, request)
    return added


def _check_same(connection: Connection, request: Request) -> None:
    """See that a request that is there already asks for the same.

    Raises
    ------
    StoreError
        It asks for another side or weight, as after a rule was changed.
    """
    there = connection.execute(select(REQUESTS).where(REQUESTS.c.key == request.key)).one()
    if (there.side, there.weight) != (request.side, request.weight):
        raise StoreError(
            f"request for {request.judgement.coin} by rule {request.judgement.rule}: is "
            f"{request.side} {request.weight:g}, and was {there.side} {there.weight:g} from the "
            f"same cutoff, {request.cutoff}; give a rule that was changed another name"
        )


def _added(connection: Connection, table: Any, row: "dict[str, Any]") -> bool:
    query = insert_new(connection, table).values(row).returning(table.c.id)
    return connection.execute(query).scalar() is not None


def _judge(connection: Connection, judgement: Judgement) -> tuple[int, bool]:
    """Store a judgement unless it is there; return its number, and whether it is new."""
    keys = {name: getattr(judgement, name) for name in ("run_key", "rule", "coin", "model")}
    row = keys | {
        "action": judgement.action,
        "seen": json.dumps(dict(judgement.seen), sort_keys=True),
        "at": now(),
    }
    query = insert_new(connection, JUDGEMENTS).values(row).returning(JUDGEMENTS.c.id)
    number = connection.execute(query).scalar()
    if number is not None:
        return number, True
    same = [JUDGEMENTS.c[name] == value for name, value in keys.items()]
    there = connection.execute(select(JUDGEMENTS).where(*same)).one()
    if there.action != judgement.action:
        raise StoreError(
            f"judgement of {judgement.coin}, {judgement.model} by rule {judgement.rule}: is "
            f"{judgement.action}, and was {there.action} for the same run; give a rule that was "
            "changed another name"
        )
    return int(there.id), False
