"""The LSTM as Keras has it, to compare ours with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cryptodask.models.lstm import LSTM
from cryptodask.models.lstm_weights import Weights

PARTS = {
    "LSTM": ("kernel", "recurrent_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


def build_network(options: LSTM) -> Any:
    """Build the Keras model of these options."""
    import keras

    layers: list[Any] = [keras.layers.Input((options.window, 1))]
    for i, units in enumerate(options.units):
        layers.append(keras.layers.LSTM(units, return_sequences=i < len(options.units) - 1))
        if options.batch_norm:
            layers.append(keras.layers.BatchNormalization())
        if options.dropout:
            layers.append(keras.layers.Dropout(options.dropout))
    layers.append(keras.layers.Dense(1, activation=options.activation))
    return keras.Sequential(layers)


def load_weights(network: Any, weights: Weights) -> None:
    """Put the weights of one network, not stacked, into a Keras model."""
    layer = -1
    for part in network.layers:
        kind = type(part).__name__
        layer += kind == "LSTM"
        if kind in PARTS:
            part.set_weights([weights.arrays[f"{name}_{layer}"] for name in PARTS[kind]])
        elif kind == "Dense":
            part.set_weights([weights.arrays["dense_kernel"], weights.arrays["dense_bias"]])


def apply(network: Any, x: Any, masks: Sequence[Any]) -> Any:
    """Apply a Keras model in training, with what its dropouts multiply by given.

    ``x`` is ``(rows, window)``, a mask ``(rows, window, units)``, the last one ``(rows, units)``;
    the result ``(rows,)``.
    """
    values = x[..., None]
    left = iter(masks)
    for part in network.layers:
        if type(part).__name__ == "Dropout":
            values = values * next(left)
        else:
            values = part(values, training=True)
    return values[:, 0]


def as_masks(lots: Sequence[Any], least: int, scale: Any) -> list[Any]:
    """Return what dropout multiplies by, from lots ``(window, units, rows)``, as Keras has it."""
    masks = [np.where(lot >= least, scale, 0).astype(np.float32).transpose(2, 0, 1) for lot in lots]
    return [*masks[:-1], masks[-1][:, 0]] if masks else []
