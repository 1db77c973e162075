"""From forecasts to trades: rules, a simulation of what they would have done, its figures."""
