"""``python -m cryptodask.cli`` is the command, too."""

from cryptodask.cli import main

main()
