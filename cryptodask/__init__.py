"""Price forecasts of very many coins, as batched fits over a Dask cluster.

The public names load on first use, so that ``import cryptodask`` costs next to nothing and never
brings in pandas, Dask, Bokeh or TensorFlow.

>>> from cryptodask import CryptoLoader, CryptoManager          # doctest: +SKIP
>>> manager = CryptoManager(CryptoLoader("data"))               # doctest: +SKIP
>>> forecasts = manager.send_tasks(model="linear", predict=10)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.errors import CryptoDaskError
    from cryptodask.manager import CryptoManager
    from cryptodask.models import create_model, deep_predict, linear_predict, list_models
    from cryptodask.prices import CryptoLoader, PriceTable, import_prices
    from cryptodask.prices.synthetic import synthetic_prices
    from cryptodask.results import Forecasts
    from cryptodask.runs import backtest

__version__ = "0.1.0"

__all__ = [
    "CryptoDaskError",
    "CryptoLoader",
    "CryptoManager",
    "Forecasts",
    "PriceTable",
    "backtest",
    "create_model",
    "deep_predict",
    "import_prices",
    "linear_predict",
    "list_models",
    "synthetic_prices",
]

_HOME = {
    "backtest": "cryptodask.runs",
    "CryptoDaskError": "cryptodask.errors",
    "CryptoLoader": "cryptodask.prices",
    "CryptoManager": "cryptodask.manager",
    "Forecasts": "cryptodask.results",
    "PriceTable": "cryptodask.prices",
    "create_model": "cryptodask.models",
    "deep_predict": "cryptodask.models",
    "import_prices": "cryptodask.prices",
    "linear_predict": "cryptodask.models",
    "list_models": "cryptodask.models",
    "synthetic_prices": "cryptodask.prices.synthetic",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not: what completion offers is what is kept stable."""
    return list(__all__)
