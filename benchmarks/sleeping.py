"""A model that sleeps instead of fitting, for more workers than the machine has cores."""

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jobs import plan_jobs, run_job

from cryptodask import CryptoLoader, create_model
from cryptodask.models import Model
from cryptodask.records import FloatArray, Panel
from cryptodask.runs.workload import ROW_SECONDS


@dataclass(frozen=True)
class Sleeping(Model):
    """The last close, after a sleep as long as a fit takes that is in proportion to the rows.

    Attributes
    ----------
    seconds : float
        A row.
    """

    name: ClassVar[str] = "sleeping"

    seconds: float = 5e-4

    @property
    def cost(self) -> float:
        """What a row costs, in rows of ``naive``."""
        return self.seconds / ROW_SECONDS

    def min_length(self, horizon: int) -> int:  # noqa: ARG002
        """Return 1: only the last close is used."""
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:  # noqa: ARG002
        """Forecast every coin of a panel; see `cryptodask.models.base.Model`."""
        time.sleep(self.seconds * len(panel.values))
        return np.repeat(panel.values[panel.indptr[1:] - 1][:, None], horizon, axis=1)


def warm(source: str) -> None:
    """Do once, on a worker, what a job does: import, read, fit, for the first coin."""
    loader = CryptoLoader(source)
    job = plan_jobs(loader.source, loader.source.coins[:1], create_model("naive"), 1)[0]
    for model in (create_model("naive"), create_model("linear"), Sleeping(0.0)):
        run_job(job, model, 1)
