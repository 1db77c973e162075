"""Price history: files in, one clean table out, partitioned by coin."""

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
