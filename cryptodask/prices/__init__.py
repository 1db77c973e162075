"""Price history: files in, one clean table out, partitioned by coin."""

from cryptodask.prices.loader import CryptoLoader, import_prices
from cryptodask.prices.table import PriceTable, write_table

__all__ = ["CryptoLoader", "PriceTable", "import_prices", "write_table"]
