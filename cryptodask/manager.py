"""`CryptoManager`: prices and a cluster, and the runs over them."""

from collections.abc import Sequence
from typing import Any

from cryptodask.models import Model
from cryptodask.results import Backtest, Forecasts, SearchResult
from cryptodask.runs import Session, backtest, forecast, tune
from cryptodask.runs.model_spec import Values


class CryptoManager(Session):
    """Forecasts of many coins, by many models, on a cluster.

    Parameters
    ----------
    loader : CryptoLoader, path or frame
        Where the prices are; see `CryptoLoader`.
    client : dask.distributed.Client, optional
        Of the cluster to run on. Without one a local cluster is started by the first run, with
        one thread a worker, and closed by `close` or at the end of a ``with`` block.
    workers : int, optional
        Processes of that local cluster; by default one a core.

    Examples
    --------
    >>> with CryptoManager("data") as manager:                          # doctest: +SKIP
    ...     forecasts = manager.send_tasks(model="linear", predict=10)
    ...     forecasts.failures
    """

    def send_tasks(
        self,
        model: str | Model = "naive",
        predict: int = 10,
        coins: Sequence[str] | None = None,
        *,
        seed: int = 0,
        progress: bool = True,
    ) -> Forecasts:
        """Forecast coins with one model; see `forecast`."""
        return self.forecast([model], predict, coins, seed=seed, progress=progress)

    def forecast(
        self,
        models: Sequence[str | Model] = ("naive",),
        horizon: int = 10,
        coins: Sequence[str] | None = None,
        *,
        max_points: int | None = None,
        **options: Any,
    ) -> Forecasts:
        """Forecast coins with several models; see `cryptodask.runs.forecast` for all options.

        Parameters
        ----------
        models, horizon, coins, **options
            See `cryptodask.runs.forecast`.
        max_points : int, optional
            What ``window`` was called before.
        """
        if max_points is not None:
            options["window"] = max_points
        return forecast(self, models, horizon, coins, **options)

    def backtest(
        self, models: Sequence[str | Model] = ("naive",), horizon: int = 10, **options: Any
    ) -> Backtest:
        """Forecast coins as of past dates; see `cryptodask.runs.backtest` for all options."""
        return backtest(self, models, horizon, **options)

    def tune(self, search: Values, horizon: int = 10, **options: Any) -> SearchResult:
        """Search for options of models; see `cryptodask.runs.tune` for all options."""
        return tune(self, search, horizon, **options)
