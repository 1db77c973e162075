"""The same Keras network by our path and by a plain Keras loop: equal, and how many times faster.

    python benchmarks/keras_networks.py SOURCE [--coins 50] [--networks gru,tcn,transformer]
        [--epochs 5] [--rows 3000] [--repeats 3]

Both ways train the same network for each coin, from the same first weights, on the same windows in
the same order, and forecast ten days recursively, in one process with one thread. The loop is what
one writes by hand: build, compile, fit, and ten calls of ``predict``. Our path builds and traces
anew in each repeat.
"""

import argparse
import os

import numpy as np
from common import alternate, parse, print_ratio, print_versions
from processes import ONE_THREAD

from cryptodask import CryptoLoader
from cryptodask.models.base import rng_for
from cryptodask.models.keras import KerasNetwork, networks, training
from cryptodask.records import FloatArray, Panel

HORIZON = 10
CLOSE = 1e-4


def plain(model: KerasNetwork, coin: str, closes: FloatArray) -> FloatArray:
    """Forecast one coin by a Keras loop."""
    import keras

    rng = rng_for(0, model.name, coin)
    keras.utils.set_random_seed(int(rng.integers(2**31)))
    network = getattr(networks, model.network)(model.window, 1, 1)
    views = np.lib.stride_tricks.sliding_window_view(closes[-model.max_rows :], model.window + 1)
    growth = (views / views[:, :1] - 1).astype("float32")
    x, y = growth[:, :-1, None], growth[:, -1:]
    for _ in range(model.epochs):
        order = rng.permutation(len(x))
        network.fit(x[order], y[order], model.batch_size, shuffle=False, verbose=0)
    seen = list(closes)
    for _ in range(HORIZON):
        last = np.array(seen[-model.window :])
        inputs = (last / last[0] - 1).astype("float32")[None, :, None]
        growth_ahead = float(network.predict(inputs, verbose=0)[0, 0])
        seen.append(last[0] * (1 + growth_ahead))
    return np.array(seen[-HORIZON:])


def compare(name: str, panel: Panel, epochs: int, rows: int, repeats: int) -> None:
    """Run both ways alternately, check that they are equal, and print the ratio."""
    model = KerasNetwork(name, epochs=epochs, max_rows=rows)
    forecasts: dict[str, FloatArray] = {}

    def loop() -> None:
        rows = [plain(model, coin, closes) for coin, closes, _ in panel]
        forecasts["keras loop"] = np.array(rows)

    def ours() -> None:
        forecasts["cryptodask"] = model.forecast(panel, HORIZON, 0)

    windows = int((np.minimum(panel.lengths, model.max_rows) - model.window).sum())
    print(f"{model.name}: {len(panel)} coins, {windows:,} windows, {epochs} epochs", flush=True)
    ways = {"keras loop": loop, "cryptodask": ours}
    seconds = alternate(ways, repeats, before=training._network_of.cache_clear)
    last = panel.values[panel.indptr[1:] - 1][:, None]
    apart = np.abs(forecasts["keras loop"] - forecasts["cryptodask"]) / last
    print(f"{model.name}: largest difference, as a share of the last close: {apart.max():.1e}")
    if apart.max() > CLOSE:
        raise SystemExit(f"{model.name}: differ by more than {CLOSE}")
    print_ratio(seconds, "keras loop", "cryptodask")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--coins", type=int, default=50)
    parser.add_argument("--networks", default="gru,tcn,transformer")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3_000, help="latest rows that are trained on")
    parser.add_argument("--repeats", type=int, default=3)
    args = parse(parser, coins=2, networks="tcn", epochs=1, repeats=1)
    print_versions()
    os.environ.update(ONE_THREAD)
    loader = CryptoLoader(args.source)
    prices = {coin: loader.get_prices(coin) for coin in loader.get_crypto_names()}
    coins = sorted(prices, key=lambda coin: -len(prices[coin]))[: args.coins]
    days = np.datetime64("2020-01-01", "s") + np.arange(10_000) * np.timedelta64(1, "D")
    panel = Panel.from_series((c, prices[c], days[: len(prices[c])]) for c in coins)
    KerasNetwork("tcn", window=3, params={"units": 1}).warm_up()  # imports TensorFlow
    for name in args.networks.split(","):
        compare(name, panel, args.epochs, args.rows, args.repeats)


if __name__ == "__main__":
    main()
