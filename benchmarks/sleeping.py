"""A model that sleeps instead of fitting, for more workers than the machine has cores."""

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from cryptodask.work import UNIT, plan_jobs, run_job

from cryptodask import CryptoLoader, create_model
from cryptodask.models.base import Gaps
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Sleeping:
    """The last close, after a sleep as long as a fit takes that is in proportion to the rows.

    Attributes
    ----------
    seconds : float
        A row.
    """

    name: ClassVar[str] = "sleeping"
    needs_variation: ClassVar[bool] = False
    gaps: ClassVar[Gaps] = "leave"

    seconds: float = 5e-4

    @property
    def cost(self) -> float:
        """What a row costs, in rows of ``naive``."""
        return self.seconds / UNIT

    def min_length(self, horizon: int) -> int:
        """Return 1: only the last close is used."""
        del horizon
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel; see `cryptodask.models.base.Model`."""
        del seed
        time.sleep(self.seconds * len(panel.values))
        return np.repeat(panel.values[panel.indptr[1:] - 1][:, None], horizon, axis=1)


def warm(source: str) -> None:
    """Do once, on a worker, what a job does: import, read, fit, for the first coin."""
    loader = CryptoLoader(source)
    job = plan_jobs(loader.source, loader.source.coins[:1], create_model("naive"), 1, None)[0]
    for model in (create_model("naive"), create_model("linear"), Sleeping(0.0)):
        run_job(job, RowFilter.of(None, None, None), model, 1, 0)
