"""Models that are trained on all coins together."""
