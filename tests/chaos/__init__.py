"""A run that is hurt at random, and what must come of it all the same."""
