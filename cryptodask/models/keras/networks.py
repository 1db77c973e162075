"""Networks to start from: functions that build and compile a Keras model, to be read and copied.

Each begins at "no change": its head is 0, added to the growth up to the last close of the window.
"""

from typing import Any


def gru(window: int, features: int, outputs: int, units: int = 32, rate: float = 0.001) -> Any:
    """One layer of gated recurrent units (Cho et al., EMNLP 2014) and a dense head.

    Parameters
    ----------
    window, features, outputs : int
        Inputs are ``(n, window, features)``, outputs ``(n, outputs)``.
    units : int
        Of the layer.
    rate : float
        Learning rate of Adam.
    """
    from keras import Input, Model, layers, optimizers

    inputs = Input((window, features))
    hidden = layers.GRU(units)(inputs)
    change = layers.Dense(outputs, kernel_initializer="zeros")(hidden)
    model = Model(inputs, inputs[:, -1, :1] + change)
    model.compile(optimizers.Adam(rate), loss="mse")
    return model


def tcn(
    window: int, features: int, outputs: int, units: int = 32, depth: int = 4, rate: float = 0.001
) -> Any:
    """Causal convolutions, each twice as far back (Bai, Kolter and Koltun, arXiv:1803.01271).

    Parameters
    ----------
    window, features, outputs : int
        Inputs are ``(n, window, features)``, outputs ``(n, outputs)``.
    units : int
        Filters of a layer.
    depth : int
        Layers.
    rate : float
        Learning rate of Adam.
    """
    from keras import Input, Model, layers, optimizers

    inputs = Input((window, features))
    hidden = layers.Dense(units)(inputs)
    for layer in range(depth):
        convolution = layers.Conv1D(units, 3, padding="causal", dilation_rate=2**layer)
        hidden = hidden + layers.Activation("relu")(convolution(hidden))
    change = layers.Dense(outputs, kernel_initializer="zeros")(hidden[:, -1])
    model = Model(inputs, inputs[:, -1, :1] + change)
    model.compile(optimizers.Adam(rate), loss="mse")
    return model


def transformer(
    window: int, features: int, outputs: int, units: int = 32, heads: int = 2, rate: float = 0.001
) -> Any:
    """One block of attention over a window's bars (Vaswani et al., NeurIPS 2017).

    Parameters
    ----------
    window, features, outputs : int
        Inputs are ``(n, window, features)``, outputs ``(n, outputs)``.
    units : int
        Width: numbers that a bar becomes.
    heads : int
        Of attention.
    rate : float
        Learning rate of Adam.
    """
    from keras import Input, Model, layers, ops, optimizers

    inputs = Input((window, features))
    bars = ops.cumsum(ops.ones_like(inputs[:, :, 0], dtype="int32"), axis=1) - 1
    hidden = layers.Dense(units)(inputs) + layers.Embedding(window, units)(bars)
    attended = layers.MultiHeadAttention(heads, units // heads)(hidden, hidden)
    hidden = layers.LayerNormalization()(hidden + attended)
    dense = layers.Dense(units)(layers.Dense(2 * units, activation="relu")(hidden))
    hidden = layers.LayerNormalization()(hidden + dense)
    change = layers.Dense(outputs, kernel_initializer="zeros")(hidden[:, -1])
    model = Model(inputs, inputs[:, -1, :1] + change)
    model.compile(optimizers.Adam(rate), loss="mse")
    return model
