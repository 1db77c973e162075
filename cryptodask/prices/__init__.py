"""Price history: files in, one clean table out, partitioned by coin."""

from cryptodask.prices.loader import CryptoLoader, import_prices, read_files
from cryptodask.prices.read.layouts import ReadOptions
from cryptodask.prices.table.price_table import PriceTable, write_table

__all__ = [
    "CryptoLoader",
    "PriceTable",
    "ReadOptions",
    "import_prices",
    "read_files",
    "write_table",
]
