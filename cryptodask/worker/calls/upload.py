"""`UploadModule`: the file of a user's module, brought to a worker before its tasks need it."""

from distributed.diagnostics.plugin import UploadFile


class UploadModule(UploadFile):  # type: ignore[misc]
    """Writes a file on a worker, now and on each that joins later, and imports it, as Dask does."""
