"""The step that ends a day: compare it with what is usual, and raise an alarm."""

import os
from pathlib import Path

import attrs

from cryptodask.errors import CryptoDaskError, InputError
from cryptodask.pipeline.day import ALARM, DONE, NOTHING, Day, Report
from cryptodask.pipeline.monitor.notifying import pass_on
from cryptodask.pipeline.monitor.reference import Reference, read_reference
from cryptodask.pipeline.monitor.watching import watch_day


def monitor(day: Day) -> Report:
    """Measure a day, store its numbers and alarms, and pass them on.

    Parameters
    ----------
    day : Day

    Returns
    -------
    dict
        ``alarms``, as sentences, ``new``: how many of them were not stored before, and
        ``numbers`` by measure; the state is ``alarm`` where there is one, and ``nothing`` where
        the settings have no monitor.

    Raises
    ------
    InputError
        The reference is missing or is of another model, or the store has nothing to watch.
    CryptoDaskError
        Gauges or alarms could not be passed on; the numbers are stored, and the step may be
        called again.
    """
    settings = day.settings.monitor
    if settings is None:
        why = "the settings have no section monitor, so that nothing watches the days"
        return {"step": "monitor", "state": NOTHING, "why": why}
    watched = watch_day(day.settings.store, reference_of(day), day.date)
    webhook = settings.webhook or os.environ.get("CRYPTODASK_WEBHOOK", "")
    problems = pass_on(watched, settings.prometheus, webhook)
    if problems:
        alarms = [a["message"] for a in watched.summary()["alarms"]]
        raise CryptoDaskError("; ".join([*map(str, problems), *alarms]))
    summary = watched.summary()
    return {
        "step": "monitor",
        "state": ALARM if watched.alarms else DONE,
        "model": watched.model,
        "alarms": [alarm["message"] for alarm in summary["alarms"]],
        "new": watched.new,
        "numbers": {number["measure"]: number["value"] for number in summary["numbers"]},
    }


def reference_of(day: Day) -> Reference:
    """Return what is usual, with limits that the settings give, in place of those learned.

    Parameters
    ----------
    day : Day
        Its settings have a monitor.

    Raises
    ------
    InputError
        The reference is missing, or is of a model or step that is not forecast.
    """
    settings, forecast = day.settings.monitor, day.settings.forecast
    assert settings is not None
    reference = read_reference(Path(settings.reference))
    if forecast.models and reference.model not in forecast.models:
        raise InputError(
            f"monitor: {settings.reference} is of model {reference.model}, which is none of "
            f"forecast.models, {', '.join(forecast.models)}"
        )
    if reference.step > (forecast.horizon or reference.step):
        raise InputError(
            f"monitor: {settings.reference} is of step {reference.step}, beyond forecast.horizon, "
            f"{forecast.horizon}"
        )
    failed, oldest = settings.failures, settings.age
    return attrs.evolve(
        reference,
        most_failed=reference.most_failed if failed is None else failed,
        oldest=reference.oldest if oldest is None else oldest,
    )
