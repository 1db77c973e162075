"""Counts of runs for Prometheus, beside Dask's own on the scheduler's ``/metrics``."""

from collections.abc import Iterator
from typing import Any

from cryptodask.cluster.events import RUNNING
from cryptodask.dashboard.live import Live
from cryptodask.dashboard.run_message import RUN_KINDS


class RunMetrics:
    """A collector of `prometheus_client`; labels are bounded by `Live`.

    Parameters
    ----------
    live : Live
    """

    def __init__(self, live: Live) -> None:
        self.live = live

    def collect(self) -> Iterator[Any]:
        """Yield the families; escaping labels is up to the library."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        live = self.live
        started = CounterMetricFamily("cryptodask_runs_started", "Runs started", labels=["kind"])
        running = GaugeMetricFamily("cryptodask_runs_running", "Runs in progress", labels=["kind"])
        for kind in RUN_KINDS:
            started.add_metric([kind], live.started[kind])
            runs = [r for r in live.runs.values() if r.kind == kind and r.state == RUNNING]
            running.add_metric([kind], len(runs))
        ended = CounterMetricFamily(
            "cryptodask_runs_ended", "Runs that ended, by state", labels=["kind", "state"]
        )
        for (kind, state), count in sorted(live.ended.items()):
            ended.add_metric([kind, state], count)
        yield from (started, running, ended)
        for name, what, counts in (
            ("coins_forecast", "Coins with a forecast of a model", live.done),
            ("coins_failed", "Coins without a forecast of a model", live.failed),
        ):
            family = CounterMetricFamily(f"cryptodask_{name}", what, labels=["model"])
            for model, count in sorted(counts.items()):
                family.add_metric([model], count)
            yield family
        seconds = CounterMetricFamily(
            "cryptodask_model_seconds",
            "Worker seconds of a model, by stage",
            labels=["model", "stage"],
        )
        for (model, stage), spent in sorted(live.seconds.items()):
            seconds.add_metric([model, stage], spent)
        yield seconds
