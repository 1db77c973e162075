"""Options of commands: made from the fields of attrs classes, and read in one place."""

from cryptodask.cli.options.cluster import ClusterOptions, Tls, read_tls
from cryptodask.cli.options.command import with_options
from cryptodask.cli.options.output import OutputOptions, SearchOutput, check_apart, check_file

__all__ = [
    "ClusterOptions",
    "OutputOptions",
    "SearchOutput",
    "Tls",
    "check_apart",
    "check_file",
    "read_tls",
    "with_options",
]
