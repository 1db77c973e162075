"""Draw the figures of ``results.json`` into ``results.png``, which RESULTS.md shows.

    python benchmarks/plot.py [--out benchmarks/results.png]

``ratios`` are medians with their range, beside what was wanted; ``growth`` is seconds over coins.
The file is written by hand from what the benchmarks printed, so that it says what RESULTS.md says.
"""

import argparse
import json
from pathlib import Path

import matplotlib
from common import parse

matplotlib.use("Agg")

from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Parse, read, draw, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "results.png")
    args = parse(parser)
    told = json.loads((HERE / "results.json").read_text("utf-8"))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.8), width_ratios=[3, 2], layout="constrained"
    )
    ratios = told["ratios"][::-1]
    for i, one in enumerate(ratios):
        low, high = one.get("range", (one["median"],) * 2)
        reached = one["median"] >= one.get("wanted", 0)
        left.barh(i, one["median"], color="#1a9850" if reached else "#d9a441", height=0.6)
        left.plot([low, high], [i, i], color="black", linewidth=1)
        if "wanted" in one:
            left.plot([one["wanted"]] * 2, [i - 0.4, i + 0.4], color="black", linewidth=2)
        left.text(max(high, one["median"]) * 1.06, i, f"{one['median']:g}", va="center", fontsize=8)
    left.set_yticks(range(len(ratios)), [one["what"] for one in ratios], fontsize=8)
    left.set_xscale("log")
    left.margins(x=0.15)
    left.set_title("times; the bar across is what was wanted", fontsize=9)
    for name, points in told["growth"].items():
        coins, seconds = zip(*points, strict=True)
        right.plot(coins, seconds, marker="o", label=name)
    right.set(xscale="log", yscale="log", xlabel="coins of 1,000 days", ylabel="seconds")
    right.legend(fontsize=8)
    right.set_title("time over coins, two workers", fontsize=9)
    figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
