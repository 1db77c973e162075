"""Runs of all kinds from outside: the command, and the folder that it writes."""
