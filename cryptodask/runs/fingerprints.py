"""What a plan keeps of prices and coins, so that a run is resumed with the same ones only."""

import hashlib
from collections.abc import Sequence

from cryptodask.prices import CryptoLoader
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.frames.dask_source import DaskFrameSource
from cryptodask.prices.frames.frame_source import FrameSource
from cryptodask.prices.table.price_table import PriceTable


def prices_fingerprint(loader: CryptoLoader) -> str:
    """Return what changes when the prices do.

    It is a table's generation, how files look, or the rows of a frame.
    """
    source = loader.source
    if isinstance(source, PriceTable):
        return f"{source.manifest['index']}, generation {source.generation}"
    if isinstance(source, FrameSource | DaskFrameSource):
        return source.fingerprint()
    assert isinstance(source, FolderSource)
    return hashlib.sha256("\n".join(source.looks()).encode()).hexdigest()


def coins_fingerprint(coins: Sequence[str]) -> str:
    """Return what changes when the coins do."""
    return hashlib.sha256("\0".join(coins).encode()).hexdigest()
