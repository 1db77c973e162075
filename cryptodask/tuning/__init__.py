"""Search for options of models by what they would have forecast, each choice judged by what came.

See `cryptodask.tuning.run.tune`.
"""

from cryptodask.tuning.result import TuneResult
from cryptodask.tuning.run import tune

__all__ = ["TuneResult", "tune"]
