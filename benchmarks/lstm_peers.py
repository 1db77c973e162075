"""The LSTM's training beside PyTorch's and neuralforecast's, in windows a second of one core.

    python -m venv PEERS && PEERS/bin/pip install torch neuralforecast
    python benchmarks/lstm_peers.py SOURCE --peer-python PEERS/bin/python [--repeats 5]

Three ways, in turn and in seconds of the processor, each on one thread:

- ``cryptodask``: `LSTM.fit` of whole coins, with all that a coin needs;
- ``torch``: the same layers by ``torch.nn.LSTM`` in batches of 512 windows, forward, backward and a
  step of RMSprop, on windows that are there already;
- ``neuralforecast``: its ``LSTM`` with two layers of 75 units, which is 3% less arithmetic a window
  than our 50 and 100, on the same closes, 512 windows a step. What it takes to start is left out:
  the seconds of a short fit are taken from those of a long one.

All coins of a neuralforecast model share one network, so this compares time a window, not what is
learnt. The peers run in the environment of ``--peer-python``; those that are not installed there
are left out.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from common import can_import, parse, print_versions, spread

WINDOW, BATCH, SHORT, LONG = 50, 512, 5, 25
WAYS = ("cryptodask", "torch", "neuralforecast")


def by_cryptodask(source: str, coins: int) -> tuple[int, float]:
    """Return windows trained on and seconds."""
    from lstm_rate import median_panel

    from cryptodask.models.lstm.lstm import LSTM

    options = LSTM()
    panel = median_panel(source, coins, options)
    options.fit(panel.take([0]), 0)
    began = time.process_time()
    options.fit(panel, 0)
    spent = time.process_time() - began
    windows = [len(options._examples(c, d, panel.step)[0]) for _, c, d in panel]
    return sum(n - int(n * options.validation_split) for n in windows), spent


def by_torch() -> tuple[int, float]:
    """Return windows trained on and seconds."""
    import torch

    torch.set_num_threads(1)
    first, second = torch.nn.LSTM(1, 50, batch_first=True), torch.nn.LSTM(50, 100, batch_first=True)
    dense, drop = torch.nn.Linear(100, 1), torch.nn.Dropout(0.2)
    weights = [*first.parameters(), *second.parameters(), *dense.parameters()]
    optimizer = torch.optim.RMSprop(weights, lr=0.001)
    x, y = torch.randn(BATCH, WINDOW, 1), torch.randn(BATCH, 1)

    def step() -> None:
        optimizer.zero_grad()
        outputs = second(drop(first(x)[0]))[0][:, -1]
        torch.nn.functional.mse_loss(dense(drop(outputs)), y).backward()
        optimizer.step()

    for _ in range(3):
        step()
    began = time.process_time()
    for _ in range(LONG):
        step()
    return LONG * BATCH, time.process_time() - began


def by_neuralforecast() -> tuple[int, float]:
    """Return windows trained on and seconds, without what it takes to start."""
    import logging

    import numpy as np
    import pandas as pd
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    days = pd.date_range("2015-01-01", periods=850)
    frame = pd.concat(
        pd.DataFrame({"unique_id": i, "ds": days, "y": np.exp(rng.normal(0, 0.04, 850).cumsum())})
        for i in range(20)
    )

    def fit(steps: int) -> float:
        model = LSTM(
            h=1,
            input_size=WINDOW,
            encoder_n_layers=2,
            encoder_hidden_size=75,
            encoder_dropout=0.2,
            max_steps=steps,
            batch_size=20,
            windows_batch_size=BATCH,
            scaler_type="standard",
            enable_progress_bar=False,
            logger=False,
            enable_checkpointing=False,
            accelerator="cpu",
        )
        began = time.process_time()
        NeuralForecast([model], freq="D").fit(frame)
        return time.process_time() - began

    fit(SHORT)
    return (LONG - SHORT) * BATCH, fit(LONG) - fit(SHORT)


def main() -> None:
    """Parse, run each way in a process of its own, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--coins", type=int, default=10)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", choices=WAYS)
    args = parse(parser, coins=2, repeats=2)
    if args.child:
        ours = args.child == "cryptodask"
        took = by_cryptodask(args.source, args.coins) if ours else globals()[f"by_{args.child}"]()
        print(json.dumps(took))
        return
    from processes import ONE_THREAD, environment

    print_versions()
    ways = ["cryptodask", *can_import(WAYS[1:], args.peer_python)]
    listing = [args.peer_python, "-m", "pip", "list", "--format=freeze"]
    told = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    peers = ("torch==", "neuralforecast==")
    print("peers:", *(line for line in told.splitlines() if line.startswith(peers)))
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(args.repeats):
        for way in ways:
            python = sys.executable if way == "cryptodask" else args.peer_python
            command = [python, str(Path(__file__).resolve()), args.source, "--child", way,
                       "--coins", str(args.coins)]  # fmt: skip
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment() | ONE_THREAD
            )
            if done.returncode:
                raise SystemExit(f"{way}: {done.stderr}")
            windows, seconds = json.loads(done.stdout.splitlines()[-1])
            rates[way].append(windows / seconds)
            print(f"  {way}: {rates[way][-1]:,.0f} windows/s", flush=True)
    for way in ways:
        print(f"{way}: {spread(rates[way])} windows a second")
    for way in ways[1:]:
        ratios = [a / b for a, b in zip(rates["cryptodask"], rates[way], strict=True)]
        print(f"cryptodask / {way}: {spread(ratios)}")


if __name__ == "__main__":
    main()
