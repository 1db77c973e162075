"""The steps of a day, in their order, and all of them at once.

A step returns JSON: ``step``, ``state`` (done, nothing to do, waiting, or alarm), and what it did.
What can't be done raises an error.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from cryptodask.errors import CryptoDaskError
from cryptodask.pipeline.acting import judge, keep, request
from cryptodask.pipeline.day import ALARM, Day, Report
from cryptodask.pipeline.forecasting import check, groups, know, send, wait
from cryptodask.pipeline.monitor.step import monitor
from cryptodask.pipeline.polling import poll
from cryptodask.pipeline.trading import trade
from cryptodask.text import counted, shown_names

STEPS: Mapping[str, Callable[[Day, str], Report]] = {
    "check": check,
    "send": send,
    "wait": wait,
    "judge": judge,
    "store": keep,
    "request": request,
}
"""The steps of a group, in their order."""


ENDING: Mapping[str, Callable[[Day], Report]] = {"trade": trade, "monitor": monitor}
"""The steps that end a day, once for all groups, in their order."""


def run_day(
    day: Day,
    names: Sequence[str] | None = None,
    *,
    foreground: bool = False,
    live: int = 0,
    on_report: Callable[[Report], object] = lambda _: None,
) -> list[Report]:
    """Run all steps of a day: poll, those of each group, whose runs work at a time, and the last.

    Parameters
    ----------
    day : Day
    names : sequence of str, optional
        Of groups; by default all.
    foreground : bool
        Whether groups run in this process, one after the other.
    live : int
        How often it was said that an exchange itself is traded at; see `trade`.
    on_report : callable
        Called with what each step returned, as soon as it has.

    Returns
    -------
    list of dict
        What each step returned. A group that failed has a report with the state ``failed`` and the
        ``error``; it harms no other. So has a step that ends the day.

    Raises
    ------
    CryptoDaskError
        Prices could not be polled, or are missing; the last steps were done before.
    """
    reports: list[Report] = []

    def done(report: Report) -> Report:
        reports.append(report)
        on_report(report)
        return report

    def attempt(call: Callable[[], Report], **about: str) -> bool:
        try:
            done(call())
        except Exception as error:  # noqa: BLE001 - of one group, whatever it is
            kind = "" if isinstance(error, CryptoDaskError) else f"{type(error).__name__}: "
            done({**about, "state": "failed", "error": f"{kind}{error}"})
            return False
        return True

    def end() -> None:
        for step, ending in (dict(ENDING) | {"trade": partial(trade, live=live)}).items():
            attempt(partial(ending, day), step=step)

    try:
        done(poll(day))
        every = done(groups(day))["groups"]
        known = know(day)
    except CryptoDaskError:
        end()  # a day without prices is to be watched, too
        raise
    left = list(every if names is None else names)
    steps = dict(STEPS) | {"check": partial(check, known=known)}
    steps |= {"send": partial(send, foreground=True)} if foreground else {}
    for step, function in steps.items():
        calls = {name: partial(function, day, name) for name in left}
        left = [name for name, call in calls.items() if attempt(call, step=step, group=name)]
    end()
    return reports


def is_complete(reports: Sequence[Report]) -> bool:
    """Return whether nothing failed or alarmed, and no coin was unfetched, stopped or failed.

    Parameters
    ----------
    reports : sequence of dict
        Of `run_day`.
    """
    return not lacking(reports)


def lacking(reports: Sequence[Report]) -> list[str]:
    """Return why a day is not complete: what failed or alarmed, and how many coins lack.

    Parameters
    ----------
    reports : sequence of dict
        Of `run_day`.
    """
    reasons = []
    for report in reports:
        step = " ".join([report["step"], *([str(report["group"])] if "group" in report else [])])
        if report["state"] in ("failed", ALARM):
            reasons.append(f"{step}: {report['state']}")
        reasons += [
            f"{step}: {counted(len(report[key]), 'coin')} {key}"
            for key in ("unfetched", "stopped", "failed")
            if report.get(key)
        ]
    return reasons


def shown(reports: Sequence[Report]) -> str:
    """Return a day's reports as a line.

    Parameters
    ----------
    reports : sequence of dict
        Of `run_day`.
    """
    total = {
        key: sum(report.get(key, 0) for report in reports if report["step"] == step)
        for step, key in (("poll", "rows"), ("store", "skipped"), ("request", "requests"))
    }
    stored = sum(r.get("rows", 0) for r in reports if r["step"] == "store")
    failed = [str(r.get("group", r["step"])) for r in reports if r["state"] == "failed"]
    alarms = sum(len(report.get("alarms", ())) for report in reports)
    text = (
        f"{counted(total['rows'], 'new row')}, {counted(stored, 'forecast')} stored, "
        f"{total['skipped']:,} skipped, {counted(total['requests'], 'request')}"
    )
    for report in reports:
        if "equity" in report:
            text += f", {counted(report['fills'], 'fill')}, equity {report['equity']:,.2f}"
    text += f", {counted(alarms, 'alarm')}" if alarms else ""
    return f"{text}; failed: {shown_names(failed)}" if failed else text
