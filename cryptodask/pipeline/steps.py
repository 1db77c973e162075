"""The steps of a day, in their order, and all of them at once.

A step returns JSON: ``step``, ``state`` (done, nothing to do, or waiting), and what it did. What
can't be done raises an error.
"""

from collections.abc import Callable, Mapping, Sequence

from cryptodask.errors import CryptoDaskError
from cryptodask.pipeline.acting import judge, keep, request
from cryptodask.pipeline.day import Day, Report
from cryptodask.pipeline.forecasting import check, groups, send, wait
from cryptodask.pipeline.polling import poll
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


def run_day(day: Day, names: Sequence[str] | None = None) -> list[Report]:
    """Run all steps of a day: poll, and those of each group, whose runs work at a time.

    Parameters
    ----------
    day : Day
    names : sequence of str, optional
        Of groups; by default all.

    Returns
    -------
    list of dict
        What each step returned. A group that failed has a report with the state ``failed`` and the
        ``error``; it harms no other.
    """
    reports = [poll(day)]
    reports.append(groups(day))
    left = list(reports[-1]["groups"] if names is None else names)
    for step, function in STEPS.items():
        for name in left.copy():
            try:
                reports.append(function(day, name))
            except CryptoDaskError as error:
                left.remove(name)
                failed = {"step": step, "group": name, "state": "failed", "error": str(error)}
                reports.append(failed)
    return reports


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
    failed = [str(r["group"]) for r in reports if r["state"] == "failed"]
    text = (
        f"{counted(total['rows'], 'new row')}, {counted(stored, 'forecast')} stored, "
        f"{total['skipped']:,} skipped, {counted(total['requests'], 'request')}"
    )
    return f"{text}; failed: {shown_names(failed)}" if failed else text
