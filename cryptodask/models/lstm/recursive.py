"""Recursive forecasts of an LSTM: each predicted close enters the windows after it.

Window ``k`` begins ``k`` bars after the first, and needs the forecasts of those before it only in
its last steps. So all windows run together, each a bar behind the one before: a product of matrices
takes a bar into all of them, where one window after the other would take each bar again for every
window, by products of a matrix and a vector, whose time is that of reading the weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cryptodask.models.blas import one_blas_thread
from cryptodask.models.lstm.forward import Forward
from cryptodask.models.lstm.inputs import Ahead
from cryptodask.models.lstm.weights import Weights
from cryptodask.records import FloatArray, FloatArray32

GROUP_BYTES = 1_000_000
"""Weights and states of the coins that run together: what a core's cache holds beside others."""


@dataclass(frozen=True)
class Scale:
    """How a window's values become inputs of the network, and its output a value again.

    Attributes
    ----------
    enter : callable
        Makes inputs, ``(n_coins, n)``, from one value of each coin, ``(n_coins,)``, and from the
        first values of the windows that it is in, ``(n_coins, n)``.
    leave : callable
        Makes values, ``(n_coins,)``, from outputs, ``(n_coins,)``, and from the first values of
        the windows that they follow, ``(n_coins,)``.
    """

    enter: Callable[[FloatArray, FloatArray], FloatArray]
    leave: Callable[[FloatArray32, FloatArray], FloatArray]


def forecast_recursively(
    weights: Weights,
    activation: str,
    known: FloatArray,
    horizon: int,
    scale: Scale,
    beside: Ahead | None = None,
) -> FloatArray:
    """Return the forecasts that follow windows of known values.

    A coin's forecasts do not depend on the coins beside it, nor on the threads, to the bit.

    Parameters
    ----------
    weights : Weights
        Stacked, of ``n_coins`` networks, or of one for all coins.
    activation : str
        Of the dense unit.
    known : ndarray of float64, ``(n_coins, window)``
        The latest values, as closes in the quote currency.
    horizon : int
        Bars ahead.
    scale : Scale
    beside : Ahead, optional
        Inputs beside the values.

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon)``
        In the unit of ``known``.
    """
    forecast = np.empty((len(known), horizon))
    # Features are computed for all coins together, and so are then the networks.
    size = len(known) if beside else _group_size(weights, min(known.shape[1], horizon))
    for group in _groups(len(known), size):
        network = Forward(weights.take(group), activation)
        with one_blas_thread():
            forecast[group] = _run(network, known[group], horizon, scale, beside)
    return forecast


def _run(
    network: Forward, known: FloatArray, horizon: int, scale: Scale, beside: Ahead | None
) -> FloatArray:
    coins, window = known.shape
    values = np.concatenate([known, np.empty((coins, horizon))], axis=1)
    # A window's column is free for another once the window has ended.
    columns = min(window, horizon)
    network.start(coins, columns)
    inputs = np.zeros((coins, network.inputs, columns), dtype=np.float32)
    for bar in range(window + horizon - 1):
        if bar < horizon:
            network.restart(bar % columns)
        inside = np.arange(max(0, bar - window + 1), min(bar + 1, horizon))
        inputs[:, 0, inside % columns] = scale.enter(values[:, bar], values[:, inside])
        if beside:
            inputs[:, 1:] = beside.inputs[:, min(bar, window - 1), :, None]
        outputs = network.step(inputs)
        if bar >= window - 1:
            ended = int(inside[0])
            output = network.output(outputs[:, :, ended % columns, None])[:, 0]
            values[:, window + ended] = scale.leave(output, values[:, ended])
            if beside and ended + 1 < horizon:
                beside.move(values[:, window + ended])
    return values[:, window:]


def _group_size(weights: Weights, columns: int) -> int:
    """Return how many coins run together."""
    arrays = weights.arrays.values()
    of_coin = sum(int(array[:1].nbytes) for array in arrays)
    # Of a unit: four gates, the cell, the state, each of all columns.
    units = sum(
        array.shape[1] // 4 for name, array in weights.arrays.items() if name.startswith("bias_")
    )
    state = 6 * units * columns * 4
    taken: int = state if weights.is_shared else of_coin + state
    return max(1, GROUP_BYTES // taken)


def _groups(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, max(1, size)))
