"""``python -m cryptodask`` is the command ``cryptodask``."""

from cryptodask.cli import main

main()
