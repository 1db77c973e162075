"""The folder of a backtest: its plan first, then files as they are done, the manifest last."""

from collections.abc import Sequence

import pandas as pd

from cryptodask.backtests.result import LOST, failures_of
from cryptodask.cluster.retry import TaskId
from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.records import DateArray
from cryptodask.results.forecasts import MANIFEST, write_json, write_part
from cryptodask.runs.folder import RunFolder


class BacktestFolder(RunFolder):
    """The folder of a backtest that is under way; a file of failures is beside each of its own."""

    def give_up(self, piece: TaskId, failures: pd.DataFrame) -> None:
        """Write of a coin why it has no forecast, so that no run which goes on tries it."""
        name = self.name(piece)
        write_part(self.path, failures_of(name), failures)
        write_part(self.path, name, empty_backtest())

    def close(
        self,
        pieces: Sequence[TaskId],
        failures: pd.DataFrame,
        models: Sequence[str],
        origins: DateArray,
    ) -> None:
        """Write what failed without a file, and the manifest, which makes the backtest whole."""
        write_part(self.path, LOST, failures)
        self.clear()
        told = {
            "models": list(models),
            "horizon": self.facts["horizon"],
            "features": self.facts["features"],
            "origins": origins.astype(str).tolist(),
            "files": [file.name for file in self.done(pieces)],
        }
        write_json(self.path, MANIFEST, told)
