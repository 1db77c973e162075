"""One module a change, in the order of their names; one that was released never changes."""
