"""The batched LSTM against one Keras model a coin, one task a coin, on the same two workers.

    python benchmarks/lstm_per_coin.py SOURCE [--coins 20] [--repeats 3] [--only-warm]

Both ways train the same network on the same windows with the same batch size, epochs and
validation split, and forecast ten days recursively. The per-coin way is what one writes by hand:
build, compile, fit, and ten calls of ``predict``. It is measured on workers that have imported
all they need already (warm) and on workers just started (cold).
"""

import argparse
import os
from functools import partial
from typing import Any

import numpy as np
from common import alternate, parse, print_ratio, print_versions
from dask.distributed import Client
from processes import ONE_THREAD

from cryptodask import CryptoLoader, CryptoManager
from cryptodask.cluster import close_local, local_client

WINDOW, HORIZON = 50, 10


def keras_network() -> Any:
    """Build the network that the LSTM's default options describe."""
    import keras

    return keras.Sequential(
        [
            keras.layers.Input((WINDOW, 1)),
            keras.layers.LSTM(50, return_sequences=True),
            keras.layers.Dropout(0.2),
            keras.layers.LSTM(100),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )


def per_coin(closes: np.ndarray) -> np.ndarray:
    """Forecast one coin with a Keras model of its own."""
    views = np.lib.stride_tricks.sliding_window_view(closes, WINDOW + 1)
    growth = views / views[:, :1] - 1
    model = keras_network()
    model.compile(loss="mse", optimizer="rmsprop")
    model.fit(
        growth[:, :-1, None],
        growth[:, -1:],
        batch_size=512,
        epochs=1,
        validation_split=0.05,
        verbose=0,
    )
    window, forecast = closes[-WINDOW:], []
    for _ in range(HORIZON):
        base = window[0]
        step = model.predict((window / base - 1)[None, :, None], verbose=0)
        forecast.append(base * (1 + float(step[0, 0])))
        window = np.append(window[1:], forecast[-1])
    return np.array(forecast)


def run_per_coin(client: Client, loader: CryptoLoader, coins: list[str]) -> None:
    """Run one task a coin."""
    closes = [loader.get_prices(coin) for coin in coins]
    client.gather(client.map(per_coin, closes, pure=False))


def run_batched(client: Client, loader: CryptoLoader, coins: list[str]) -> None:
    """Run one task a partition."""
    result = CryptoManager(loader, client).send_tasks("lstm", HORIZON, coins, progress=False)
    if len(result) != HORIZON * len(coins):
        raise SystemExit(f"coins failed: {result.failures.to_string()}")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--coins", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only-warm", action="store_true")
    args = parse(parser, coins=1, repeats=1, only_warm=True)
    print_versions()
    loader = CryptoLoader(args.source)
    names = loader.get_crypto_names()
    coins = [c for c in names if len(loader.get_prices(c)) >= WINDOW + HORIZON][: args.coins]
    windows = sum(len(loader.get_prices(c)) - WINDOW for c in coins)
    print(f"{len(coins)} coins, {windows:,} windows, 2 workers of one thread")
    os.environ.update(ONE_THREAD)  # of TensorFlow's, in the workers that are started here
    client = local_client(2)
    ways = {
        "per coin": partial(run_per_coin, client, loader, coins),
        "batched": partial(run_batched, client, loader, coins),
    }
    if not args.tiny:  # whose times say nothing, warm or cold
        ways["batched"]()
        ways["per coin"]()  # imports TensorFlow
    print("warm:")
    print_ratio(alternate(ways, args.repeats), "per coin", "batched")
    if not args.only_warm:
        print("cold:")
        print_ratio(alternate(ways, args.repeats, before=client.restart), "per coin", "batched")
    close_local(client)


if __name__ == "__main__":
    main()
