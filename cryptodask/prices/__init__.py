"""Price history: files in, one clean table out, partitioned by coin.

The public names load on first use, so that an import of files brings in no more than it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.prices.importing import import_prices, read_files
    from cryptodask.prices.loader import CryptoLoader
    from cryptodask.prices.read.options import ReadOptions
    from cryptodask.prices.table.price_table import PriceTable, write_table

__all__ = [
    "CryptoLoader",
    "PriceTable",
    "ReadOptions",
    "import_prices",
    "read_files",
    "write_table",
]

_HOME = {
    "CryptoLoader": "cryptodask.prices.loader",
    "PriceTable": "cryptodask.prices.table.price_table",
    "ReadOptions": "cryptodask.prices.read.options",
    "import_prices": "cryptodask.prices.importing",
    "read_files": "cryptodask.prices.importing",
    "write_table": "cryptodask.prices.table.price_table",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask.prices' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
