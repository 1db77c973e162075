"""What is written into a store beside runs: alerts, judgements, requests for trades."""

from collections.abc import Mapping
from typing import Any

import attrs

from cryptodask.io.sealed import digest


@attrs.frozen(kw_only=True)
class Alert:
    """Something to look at.

    Attributes
    ----------
    key : str
        What makes it this alert: a second one of the same key is not stored.
    kind : str
        What was looked at, as ``coverage`` or ``freshness``.
    subject : str
        A day, a run, a group or a coin.
    message : str
        A sentence.
    value, least, most : float or None
        What was found, and between what it should lie.
    """

    key: str
    kind: str
    subject: str
    message: str
    value: float | None = None
    least: float | None = None
    most: float | None = None


@attrs.frozen(kw_only=True)
class Judgement:
    """What a rule saw of a coin's forecast by one model, and what it led to.

    Attributes
    ----------
    run_key : str
        Of the run, as its manifest has it.
    rule : str
        Its name.
    coin, model : str
    action : str
        ``store``, ``request``, ``alert`` or ``skip``.
    seen : dict of str to Any
        The numbers that the rule looked at.
    """

    run_key: str
    rule: str
    coin: str
    model: str
    action: str
    seen: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Request:
    """A trade that a rule asks for.

    Attributes
    ----------
    judgement : Judgement
    cutoff : str
        Last date that the model saw.
    side : str
        ``buy`` or ``sell``.
    weight : float
        Share of the equity that the position should be.
    """

    judgement: Judgement
    cutoff: str
    side: str
    weight: float

    @property
    def key(self) -> str:
        """What makes it this request: rule, coin, model and cutoff.

        Not the run: a day without new prices forecasts from the same cutoff again, and should not
        trade twice.
        """
        about = self.judgement
        return digest([about.rule, about.coin, about.model, self.cutoff.removesuffix("T00:00:00")])
