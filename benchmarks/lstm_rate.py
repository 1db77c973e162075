"""How near the per-coin LSTM comes to the rate at which one core multiplies matrices.

    taskset -c 0 python benchmarks/lstm_rate.py SOURCE [--coins 20] [--repeats 9]

In one process, in turn and in processor time: TensorFlow's float32 matrix product at the shapes
of the default network's layers, each on what the one before left in the processor's cache;
`LSTM.fit` and `LSTM.predict` of whole coins, with windows, first weights, dropout, optimiser, the
windows held out and ten recursive steps; and Keras's own step, traced once, on the same batches
of windows, with nothing that a coin needs besides.

Operations are those of matrix products alone, two a multiplication: for a window trained on, three
products a layer and step (forward, gradient of inputs and state, gradient of weights), but for
the inputs of the first layer, which want no gradient; for one held out, and each that is forecast
from, the first of these.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from common import parse, print_versions, spread
from lstm_per_coin import keras_network

from cryptodask import CryptoLoader
from cryptodask.models.lstm.keras_learning import import_keras
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.prices.panels import to_panel
from cryptodask.records import Panel

HORIZON, PRODUCTS = 10, 150


def operations(options: LSTM) -> tuple[int, int]:
    """Return the operations of a window trained on, and of one applied to."""
    sizes = list(zip((1, *options.units[:-1]), options.units, strict=True))
    applied = sum(2 * (inputs + units) * 4 * units * options.window for inputs, units in sizes)
    return 3 * applied - 2 * 4 * options.units[0] * options.window, applied


def products(tf: Any, options: LSTM) -> tuple[Callable[[], object], int]:
    """Return TensorFlow's products of many steps of a batch, traced, and their operations."""
    rows, count = options.batch_size, 0
    layers = list(zip((1, *options.units[:-1]), options.units, strict=True))
    starts = []
    for inputs, units in layers:
        shapes = (rows, inputs + units), (inputs + units, 4 * units)
        starts.append([tf.zeros(shape) for shape in shapes])  # zeros stay so, and take as long
        count += PRODUCTS * 3 * 2 * rows * (inputs + units) * 4 * units

    def run(starts: Any) -> Any:
        # Each product needs the one before, or TensorFlow would leave out those not asked for.
        ends = []
        for seen, weights in starts:
            for _ in range(PRODUCTS):
                gates = tf.matmul(seen, weights)
                seen = tf.matmul(gates, weights, transpose_b=True)
                weights = tf.matmul(seen, gates, transpose_a=True)
            ends.append(tf.reduce_sum(weights))
        return tf.add_n(ends)

    traced = tf.function(run)
    return lambda: float(traced(starts)), count


def keras_step(tf: Any, keras: Any, options: LSTM) -> Callable[..., Any]:
    """Return Keras's training step, traced once for batches of any size."""
    model = keras_network()
    loss, optimizer = keras.losses.get(options.loss), keras.optimizers.get(options.optimizer)
    optimizer.build(model.trainable_variables)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            error = tf.reduce_mean(loss(y, model(x, training=True)))
        gradients = tape.gradient(error, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return error

    shapes = [tf.TensorSpec((None, options.window, 1)), tf.TensorSpec((None, 1))]
    traced: Callable[..., Any] = tf.function(step, input_signature=shapes).get_concrete_function()
    return traced


def batches(options: LSTM, panel: Panel) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the batches that the coins of a panel are trained on, not shuffled."""
    found = []
    for _, closes, dates in panel:
        x, y = options._examples(closes, dates, panel.step)
        split = len(x) - int(len(x) * options.validation_split)
        for start in range(0, split, options.batch_size):
            rows = slice(start, min(start + options.batch_size, split))
            found.append((np.ascontiguousarray(x[rows, :, None]), y[rows, None].copy()))
    return found


def median_panel(source: str, coins: int, options: LSTM) -> Panel:
    """Return the coins whose history is nearest to the mean length."""
    table = CryptoLoader(source).get_df()
    panel = to_panel(table.reset_index() if "coin" not in table else table)
    rows = np.diff(panel.indptr)
    enough = np.flatnonzero(rows >= options.min_length(HORIZON))
    return panel.take(enough[np.argsort(np.abs(rows[enough] - rows.mean()), kind="stable")[:coins]])


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--coins", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=9)
    args = parse(parser, coins=1, repeats=2)
    print_versions()
    options = LSTM()
    tf, keras = import_keras()
    panel = median_panel(args.source, args.coins, options)
    steps, traced = batches(options, panel), keras_step(tf, keras, options)
    multiply, counted = products(tf, options)
    trained = sum(len(x) for x, _ in steps)
    held_out = sum(len(options._examples(c, d, panel.step)[0]) for _, c, d in panel) - trained
    a_training, an_application = operations(options)
    work = {
        "matmul": counted,
        "fit and predict": trained * a_training
        + (held_out + HORIZON * len(panel)) * an_application,
        "Keras's step": trained * a_training,
    }
    ways: dict[str, Callable[[], object]] = {
        "matmul": multiply,
        "fit and predict": lambda: options.predict(options.fit(panel, 0), panel, HORIZON),
        "Keras's step": lambda: [float(traced(x, y)) for x, y in steps],
    }
    print(f"{len(panel)} coins, {len(panel.values):,} rows, {trained:,} windows trained on")
    rates = measure(ways, work, args.repeats)
    for name in ("fit and predict", "Keras's step"):
        windows = statistics.median(rates[name]) * 1e9 / work[name] * trained
        print(f"{name}: {windows:,.0f} windows trained on a second")
    for name in ways:
        print(f"{name}: {spread(rates[name])} GFLOP/s")
    for name, other in (
        ("fit and predict", "matmul"),
        ("Keras's step", "matmul"),
        ("fit and predict", "Keras's step"),
    ):
        ratios = [a / b for a, b in zip(rates[name], rates[other], strict=True)]
        print(f"{name} / {other}: {spread(ratios)}")


def measure(
    ways: dict[str, Callable[[], object]], work: dict[str, int], repeats: int
) -> dict[str, list[float]]:
    """Return the GFLOP/s of each way, run in turn, after one run that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if repeat:
                rates[name].append(work[name] / cpu / 1e9)
                told = f"{rates[name][-1]:.1f} GFLOP/s, {cpu:.2f} s of processor"
                print(f"  {name}: {told}, {wall:.2f} s", flush=True)
    return rates


if __name__ == "__main__":
    main()
