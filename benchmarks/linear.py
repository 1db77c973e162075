"""The closed form of ``linear`` for all coins at once against scikit-learn in a loop over coins.

python benchmarks/linear.py SOURCE [--repeats 5]

Both are given the same arrays; reading the prices is part of neither.
"""

import argparse

import numpy as np
from common import alternate, parse, print_ratio, print_versions
from sklearn.linear_model import LinearRegression

from cryptodask import CryptoLoader
from cryptodask.models.regression.linear import Linear
from cryptodask.prices.panels import to_panel
from cryptodask.records import Panel

HORIZON = 10


def loop(panel: Panel) -> np.ndarray:
    """Fit one scikit-learn model a coin."""
    forecasts = []
    for _, closes, dates in panel:
        days = dates.astype("datetime64[D]").astype(np.int64)
        model = LinearRegression().fit(days[:, None], closes)
        forecasts.append(model.predict((days[-1] + np.arange(1, HORIZON + 1))[:, None]))
    return np.array(forecasts)


def main() -> None:
    """Parse, compare, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--repeats", type=int, default=5)
    args = parse(parser, repeats=2)
    print_versions()
    panel = to_panel(CryptoLoader(args.source).get_df())
    batch = Linear().forecast(panel, HORIZON, 0)
    difference = np.abs(batch / loop(panel) - 1).max()
    print(f"{len(panel)} coins, {len(panel.values):,} rows")
    print(f"largest relative difference of a forecast: {difference:.2e}")
    ways = {
        "scikit-learn loop": lambda: loop(panel),
        "batch": lambda: Linear().forecast(panel, HORIZON, 0),
    }
    print_ratio(alternate(ways, args.repeats), "scikit-learn loop", "batch")


if __name__ == "__main__":
    main()
