"""Counts of runs for Prometheus, beside Dask's own on the scheduler's ``/metrics``."""

from collections.abc import Iterator
from typing import Any

from cryptodask.cluster.events import RUNNING
from cryptodask.dashboard.live import KINDS, Live


class RunMetrics:
    """A collector of `prometheus_client`; labels are bounded by `Live`."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def collect(self) -> Iterator[Any]:
        """Yield the families; escaping labels is up to the library."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        live = self.live
        started = CounterMetricFamily("cryptodask_runs_started", "Runs that began", labels=["kind"])
        running = GaugeMetricFamily("cryptodask_runs_running", "Runs under way", labels=["kind"])
        for kind in KINDS:
            started.add_metric([kind], live.started[kind])
            under_way = [r for r in live.runs.values() if r.kind == kind and r.state == RUNNING]
            running.add_metric([kind], len(under_way))
        ended = CounterMetricFamily(
            "cryptodask_runs_ended", "Runs that ended, and how", labels=["kind", "state"]
        )
        for (kind, state), count in sorted(live.ended.items()):
            ended.add_metric([kind, state], count)
        yield from (started, running, ended)
        for name, what, counts in (
            ("coins_forecast", "Coins that a model forecast", live.done),
            ("coins_failed", "Coins that a model has no forecast of", live.failed),
        ):
            family = CounterMetricFamily(f"cryptodask_{name}", what, labels=["model"])
            for model, count in sorted(counts.items()):
                family.add_metric([model], count)
            yield family
        seconds = CounterMetricFamily(
            "cryptodask_model_seconds",
            "Seconds of workers that jobs of a model took",
            labels=["model", "stage"],
        )
        for (model, stage), spent in sorted(live.seconds.items()):
            seconds.add_metric([model, stage], spent)
        yield seconds
