"""What forecasts are worth: backtests, scores, comparisons and intervals; one panel at a time."""
