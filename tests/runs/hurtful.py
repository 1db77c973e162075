"""A preload of workers, on which ridge is hurt by coins that are named for it.

``dask worker --preload tests/runs/hurtful.py``. Forecasts, backtests and searches alike meet such
coins, and the client knows nothing of it. Coins whose names begin with ``Crash`` or ``Hang`` do so
where ridge's ``alpha`` is `HURTS`, so that the same coin can be forecast by another candidate.
"""

import functools
import os
import time
from typing import Any

from cryptodask import create_model

HURTS = 10.0
"""The alpha of the ridge that is hurt."""

SECONDS = 2.0
"""Time that ridge takes for coins if one is slow."""


def dask_setup(worker: Any) -> None:
    """Hurt the ridge of this worker."""
    del worker
    ridge = type(create_model("ridge"))
    forecast = ridge.forecast

    @functools.wraps(forecast)
    def hurt(self: Any, panel: Any, *rest: Any, **options: Any) -> Any:
        kinds = {coin[:4] for coin in map(str, panel.coins)}
        if "Slow" in kinds:
            time.sleep(SECONDS)
        if "Cras" in kinds and self.alpha == HURTS:
            os.abort()
        # As code that neither returns nor gives Python's lock away.
        while "Hang" in kinds and self.alpha == HURTS:
            pass
        return forecast(self, panel, *rest, **options)

    ridge.forecast = hurt  # type: ignore[method-assign]
