"""Gates: what a version has to show before an alias is moved to it."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import numpy as np

from cryptodask.errors import OptionError, VersionError
from cryptodask.registry.entries import Entry
from cryptodask.registry.scores import Score, compare_scores

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

COVERAGE = "coverage_80"


@attrs.frozen(kw_only=True)
class GateResult:
    """What a gate said.

    Attributes
    ----------
    gate : str
    outcome : str
        ``passed``, ``failed`` or ``skipped``.
    rule : str
        With the setting.
    detail : str
        The values of both versions; or why the gate was skipped, or what to do.
    """

    gate: str
    outcome: str
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"gate {self.gate} {self.outcome}: {self.rule}: {self.detail}"


def _share(_: Any, field: "attrs.Attribute[Any]", value: float | None) -> None:
    if value is not None and not 0 < value <= 1:
        raise OptionError(f"gate {field.name}: must be above 0 and at most 1, got {value}")


def _positive(_: Any, field: "attrs.Attribute[Any]", value: float | None) -> None:
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise OptionError(f"gate {field.name}: must be above 0, got {value}")


def _range(_: Any, field: "attrs.Attribute[Any]", value: tuple[float, float] | None) -> None:
    if value is not None and not 0 <= value[0] <= value[1] <= 1:
        raise OptionError(
            f"gate {field.name}: must be the least and the most share, 0 to 1, got {value}"
        )


_AGE: Any = attrs.Factory(lambda gates: gates.age, takes_self=True)


@attrs.frozen(kw_only=True)
class Gates:
    """Settings of gates; one that is None is switched off.

    Attributes
    ----------
    skill : float or None
        The version fails if it is worse than the champion at this level of significance, by the
        one-sided test of Diebold and Mariano over all coins and origins of both.
    origins : int
        Fewest origins of both that the test needs.
    coverage : (float, float) or None
        Least and most share of actuals inside the 80% intervals; of versions with intervals.
    coins : float or None
        Least share of the champion's coins that it covers.
    age : float or None
        What the two below are, where they are not given.
    training_age : float or None
        Days since it was trained.
    prices_age : float or None
        Days by which its prices may end before the champion's.

    Examples
    --------
    >>> gates = Gates.of(["coins=0.9", "prices_age=7"], without=["skill"])
    >>> gates.skill, gates.coins, gates.training_age, gates.prices_age
    (None, 0.9, 30.0, 7.0)
    """

    skill: float | None = attrs.field(default=0.05, validator=_share)
    origins: int = attrs.field(default=8, validator=_positive)
    coverage: tuple[float, float] | None = attrs.field(default=(0.7, 0.9), validator=_range)
    coins: float | None = attrs.field(default=0.95, validator=_share)
    age: float | None = attrs.field(default=30.0, validator=_positive)
    training_age: float | None = attrs.field(default=_AGE, validator=_positive)
    prices_age: float | None = attrs.field(default=_AGE, validator=_positive)

    @classmethod
    def none(cls) -> "Gates":
        """Return gates that are all switched off."""
        return cls(skill=None, coverage=None, coins=None, age=None)

    @classmethod
    def of(cls, settings: Sequence[str] = (), without: Sequence[str] = ()) -> "Gates":
        """Read gates as a command has them.

        Parameters
        ----------
        settings : sequence of str
            As ``coins=0.9`` or ``coverage=0.7:0.9``.
        without : sequence of str
            Names of gates that are switched off.

        Raises
        ------
        OptionError
            A gate is unknown, or its value makes no sense.
        """
        values: dict[str, Any] = {}
        for text in settings:
            name, equals, value = text.partition("=")
            if not equals or name not in _READERS:
                raise OptionError(
                    f"--gate {text!r}: write NAME=VALUE, as coins=0.9, of {', '.join(_READERS)}"
                )
            try:
                values[name] = _READERS[name](value)
            except ValueError:
                form = "LEAST:MOST" if name == "coverage" else "a number"
                raise OptionError(f"--gate {text!r}: {name} is {form}, got {value!r}") from None
        for name in without:
            if name not in (known := [*JUDGES, "age"]):
                raise OptionError(f"--no-gate {name!r}: must be one of {', '.join(known)}")
            if name in values:
                raise OptionError(f"--no-gate {name}: is set by --gate, too; give one of them")
            values[name] = None
        return cls(**values)


def _bounds(text: str) -> tuple[float, float]:
    least, _, most = text.partition(":")
    return float(least), float(most)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "skill": float, "origins": int, "coverage": _bounds, "coins": float, "training_age": float,
    "prices_age": float, "age": float,
}  # fmt: skip


@attrs.frozen
class Side:
    """A version that is judged, or the champion.

    Attributes
    ----------
    entry : Entry
        Finished.
    score : Score or None
        None where it was not scored.
    """

    entry: Entry
    score: Score | None = None


def judge(candidate: Side, champion: Side | None, gates: Gates, now: datetime) -> list[GateResult]:
    """Judge a version by gates; nothing is read.

    Parameters
    ----------
    candidate : Side
    champion : Side or None
        None where there is none yet.
    gates : Gates
    now : datetime
        In UTC.

    Returns
    -------
    list of GateResult
        One of each gate that is not switched off, in the order of `Gates`.
    """
    if champion is not None and champion.entry.number == candidate.entry.number:
        champion = None
    on = {name: check for name, check in JUDGES.items() if getattr(gates, name) is not None}
    if champion is not None and champion.entry.manifest is None:
        entry = champion.entry
        detail = f"the champion, {entry}, is {entry.problem or 'not whole'}"
        rule = "is compared with the champion"
        return [GateResult(gate=name, outcome=FAILED, rule=rule, detail=detail) for name in on]
    return [check(candidate, champion, gates, now) for check in on.values()]


def _skill(candidate: Side, champion: Side | None, gates: Gates, _: datetime) -> GateResult:
    """Judge whether errors are larger than the champion's."""
    rule = (
        f"not worse than the champion at p < {gates.skill:g} on at least {gates.origins} origins "
        "of both"
    )
    if champion is None:
        return GateResult(
            gate="skill",
            outcome=SKIPPED,
            rule=rule,
            detail="there is not yet a champion",
        )

    def failed(detail: str) -> GateResult:
        return GateResult(gate="skill", outcome=FAILED, rule=rule, detail=detail)

    both = f"--model {candidate.entry} --model {champion.entry}"
    again = f"`cryptodask registry score SOURCE {both}` scores both"
    unscored = [str(side.entry) for side in (candidate, champion) if side.score is None]
    if candidate.score is None or champion.score is None:
        return failed(f"{' and '.join(unscored)} not scored; {again}")
    try:
        test = compare_scores(candidate.score, champion.score)
    except VersionError as error:
        return failed(f"{candidate.entry} and {champion.entry}: {error}; use --no-gate skill")
    if test.origins < gates.origins:
        return failed(
            f"{candidate.entry} and {champion.entry} have {test.origins} origins in common that "
            f"count; {again} at more --origins"
        )
    is_worse = test.p_worse < (gates.skill or 0)
    if math.isnan(test.p_worse):
        # The same difference everywhere has no variance; a test of too few origins has no sign.
        is_worse = not test.difference < 0
    detail = (
        f"p = {_shown(test.p_worse)} on {test.origins} origins and {test.coins} coins; error over "
        f"naive's: {candidate.entry} {_shown(candidate.score.scores['relative_mae'])}, "
        f"{champion.entry} {_shown(champion.score.scores['relative_mae'])}"
    )
    if candidate.score.prices != champion.score.prices:
        detail += "; the prices were not the same"
    return GateResult(
        gate="skill", outcome=FAILED if is_worse else PASSED, rule=rule, detail=detail
    )


def _coverage(candidate: Side, champion: Side | None, gates: Gates, _: datetime) -> GateResult:
    """Judge how often actuals lay inside the 80% intervals."""
    least, most = gates.coverage or (0, 1)
    rule = f"{100 * least:g} to {100 * most:g}% of actuals inside 80% intervals"

    def result(outcome: str, detail: str) -> GateResult:
        return GateResult(gate="coverage", outcome=outcome, rule=rule, detail=detail)

    entry = candidate.entry
    if entry.manifest is not None and not entry.manifest.intervals:
        return result(SKIPPED, f"{entry} has no intervals")
    value = None if candidate.score is None else candidate.score.scores[COVERAGE]
    if value is None:
        what = "not scored" if candidate.score is None else "scored without intervals"
        return result(
            FAILED, f"{entry} {what}; `cryptodask registry score SOURCE --model {entry}` scores it"
        )
    detail = f"{entry} {100 * value:.1f}%"
    if champion is not None and champion.score is not None:
        theirs = champion.score.scores[COVERAGE]
        detail += f", {champion.entry} " + ("-" if theirs is None else f"{100 * theirs:.1f}%")
    return result(PASSED if least <= value <= most else FAILED, detail)


def _coins(candidate: Side, champion: Side | None, gates: Gates, _: datetime) -> GateResult:
    """Judge how many of the champion's coins there are: by name where both were scored."""
    rule = f"at least {100 * (gates.coins or 0):g}% of the champion's coins"
    if champion is None:
        return GateResult(
            gate="coins",
            outcome=SKIPPED,
            rule=rule,
            detail="there is not yet a champion",
        )
    ours, theirs = candidate.entry.facts["coins"], champion.entry.facts["coins"]
    share = ours / theirs if theirs else 1.0
    detail = f"{candidate.entry} was trained on {ours:,}, {champion.entry} on {theirs:,}"
    if candidate.score is not None and champion.score is not None and champion.score.coins:
        both = set(candidate.score.coins) & set(champion.score.coins)
        scored = len(both) / len(champion.score.coins)
        share = min(share, scored)
        detail += f"; of {len(champion.score.coins):,} that were scored it has {len(both):,}"
    outcome = PASSED if share >= (gates.coins or 0) else FAILED
    return GateResult(gate="coins", outcome=outcome, rule=rule, detail=detail)


def _training_age(candidate: Side, _: Side | None, gates: Gates, now: datetime) -> GateResult:
    """Judge how long ago it was trained."""
    most = gates.training_age or math.inf
    days = (now - candidate.entry.trained).total_seconds() / 86_400
    return GateResult(
        gate="training_age",
        outcome=PASSED if days <= most else FAILED,
        rule=f"trained at most {most:g} days ago",
        detail=f"{candidate.entry} was trained {max(days, 0):.1f} days ago",
    )


def _prices_age(candidate: Side, champion: Side | None, gates: Gates, _: datetime) -> GateResult:
    """Judge how long before the champion's its prices end."""
    most, entry = gates.prices_age or math.inf, candidate.entry
    rule = f"trained on prices that end at most {most:g} days before the champion's"
    if champion is None:
        detail = "there is not yet a champion"
        return GateResult(gate="prices_age", outcome=SKIPPED, rule=rule, detail=detail)
    behind = float((champion.entry.last - entry.last) / np.timedelta64(1, "D"))
    ours, theirs = entry.facts["last"], champion.entry.facts["last"]
    return GateResult(
        gate="prices_age",
        outcome=PASSED if behind <= most else FAILED,
        rule=rule,
        detail=f"the prices of {entry} end {ours}, those of {champion.entry} {theirs}",
    )


JUDGES: Mapping[str, Callable[[Side, Side | None, Gates, datetime], GateResult]] = {
    "skill": _skill, "coverage": _coverage, "coins": _coins, "training_age": _training_age,
    "prices_age": _prices_age,
}  # fmt: skip
"""By the name of a gate."""


def _shown(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4g}"
