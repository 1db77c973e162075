"""The LSTM as Keras has it, to compare ours with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.weights import Weights

PARTS = {
    "LSTM": ("kernel", "recurrent_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


def build_network(options: LSTM) -> Any:
    """Build the Keras model of these options."""
    import keras

    inputs = 1 + (len(options.space.names) if options.space else 0)
    layers: list[Any] = [keras.layers.Input((options.window, inputs))]
    for i, units in enumerate(options.units):
        more = i < len(options.units) - 1
        dropped = options.recurrent_dropout
        layers.append(keras.layers.LSTM(units, return_sequences=more, recurrent_dropout=dropped))
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


def apply(network: Any, x: Any, masks: Sequence[Any], for_states: Sequence[Any] = ()) -> Any:
    """Apply a Keras model in training, with what its dropouts multiply by given.

    ``x`` is ``(rows, window)`` or ``(rows, window, inputs)``, a mask ``(rows, window, units)``,
    the last one ``(rows, units)``, those for states four ``(rows, units)`` a layer; the result
    ``(rows,)``.
    """
    values = x if len(x.shape) == 3 else x[..., None]
    left, left_for_states = iter(masks), iter(for_states)
    for part in network.layers:
        if type(part).__name__ == "LSTM" and for_states:
            part.cell._recurrent_dropout_mask = next(left_for_states)
        if type(part).__name__ == "Dropout":
            values = values * next(left)
        else:
            values = part(values, training=True)
    return values[:, 0]


def as_masks(dropout_draws: Sequence[Any], least: int, scale: Any) -> list[Any]:
    """Return what dropout multiplies by, from lots ``(window, units, rows)``, as Keras has it."""
    masks = [
        np.where(lot >= least, scale, 0).astype(np.float32).transpose(2, 0, 1)
        for lot in dropout_draws
    ]
    return [*masks[:-1], masks[-1][:, 0]] if masks else []


def as_masks_for_states(dropout_draws: Sequence[Any], network: Any) -> list[list[Any]]:
    """Return what recurrent dropout multiplies by, a gate each in the order of Keras."""
    order = [0, 1, 3, 2]  # ours are input, forget, output, cell
    return [[network.states.factors(lot)[gate].T for gate in order] for lot in dropout_draws]
