"""What an LSTM layer does between its matrix products, compiled by Numba.

One pass over memory does what takes NumPy a dozen, in a quarter of the time. Arrays are float32
and contiguous, with units before windows, so that each gate is one block of memory.

Compiled code is kept on disk, beside this file or in the user's cache, and read by the next
process; this module is imported by the first fit or forecast.
"""

import numpy as np
from numpy.typing import NDArray

from cryptodask.io.compiling import Function, compile_kept, digest_of
from cryptodask.records import FloatArray32

HALF, ONE = np.float32(0.5), np.float32(1.0)

LIMIT = np.float32(8.0)
"""Beyond it a tanh is 1, less half an ulp of float32 or so."""

# tanh(x) as x P(x**2) / Q(x**2) for |x| <= LIMIT, by a minimax fit: 6.4e-9 away at most, relative
# to tanh, and 4e-7 in float32. Exponentials would lose the digits of small x.
P0, P1, P2, P3, P4 = (
    np.float32(c) for c in (0.999999994, 0.134445105, 0.0035716129, 2.18949087e-05, 1.52307656e-08)
)
Q1, Q2, Q3, Q4 = (
    np.float32(c) for c in (0.467778378, 0.0261644994, 0.000341131641, 8.52258761e-07)
)


def _compiled(function: Function) -> Function:
    """Compile a function, with fused multiply-adds but no other liberties."""
    return compile_kept(function, digest_of(), contract=True)


@_compiled
def tanh(x: np.float32) -> np.float32:
    """Return the tanh of a number; NaN stays NaN.

    Parameters
    ----------
    x : float32
    """
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    z = x * x
    p = (((P4 * z + P3) * z + P2) * z + P1) * z + P0
    q = (((Q4 * z + Q3) * z + Q2) * z + Q1) * z + ONE
    return x * p / q


@_compiled
def advance(
    raw: FloatArray32,
    gates: FloatArray32,
    before: FloatArray32,
    cell: FloatArray32,
    squashed: FloatArray32,
    state: FloatArray32,
) -> None:
    """Compute one step of a layer from the product of its matrix, sigmoids halved.

    Parameters
    ----------
    raw : ndarray, ``(4 * units, n)``
        The product.
    gates : ndarray, ``(4 * units, n)``
        Output: the gates, opened between 0 and 1, and the candidate, between -1 and 1.
    before : ndarray, ``(units, n)``
        The cell as the step before left it.
    cell, squashed, state : ndarray, ``(units, n)``
        Output: the new cell, its tanh, and the layer's output.
    """
    n = before.size
    raw, gates, before = raw.reshape(-1), gates.reshape(-1), before.reshape(-1)
    cell, squashed, state = cell.reshape(-1), squashed.reshape(-1), state.reshape(-1)
    for i in range(n):
        enter = HALF * tanh(raw[i]) + HALF
        forget = HALF * tanh(raw[n + i]) + HALF
        leave = HALF * tanh(raw[2 * n + i]) + HALF
        candidate = tanh(raw[3 * n + i])
        after = enter * candidate + forget * before[i]
        small = tanh(after)
        gates[i], gates[n + i] = enter, forget
        gates[2 * n + i], gates[3 * n + i] = leave, candidate
        cell[i], squashed[i], state[i] = after, small, leave * small


@_compiled
def apply(raw: FloatArray32, cell: FloatArray32, seen: FloatArray32, first: int) -> None:
    """Compute one step of a layer of many coins, for forecasts: `advance`, and nothing is kept.

    Parameters
    ----------
    raw : ndarray, ``(n_coins, 4 * units, n)``
    cell : ndarray, ``(n_coins, units, n)``
        As the step before left it; becomes the new one.
    seen : ndarray, ``(n_coins, rows, n)``
    first : int
    """
    coins, units, rows = cell.shape
    n, offset = units * rows, first * rows
    for coin in range(coins):
        product, kept_cell, out = (
            raw[coin].reshape(-1),
            cell[coin].reshape(-1),
            seen[coin].reshape(-1),
        )
        for i in range(n):
            enter = HALF * tanh(product[i]) + HALF
            forget = HALF * tanh(product[n + i]) + HALF
            leave = HALF * tanh(product[2 * n + i]) + HALF
            candidate = tanh(product[3 * n + i])
            after = enter * candidate + forget * kept_cell[i]
            kept_cell[i] = after
            out[offset + i] = leave * tanh(after)


@_compiled
def backward(
    gates: FloatArray32,
    before: FloatArray32,
    squashed: FloatArray32,
    wanted: FloatArray32,
    carried: FloatArray32,
    gradient: FloatArray32,
) -> None:
    """Compute the gradient of one step, the reverse of `advance`.

    Parameters
    ----------
    gates : ndarray, ``(4 * units, n)``
    before, squashed : ndarray, ``(units, n)``
        As `advance` had or left them.
    wanted : ndarray, ``(units, n)``
        Gradient of the layer's output.
    carried : ndarray, ``(units, n)``
        Gradient of the cell from the step after; becomes that for the step before.
    gradient : ndarray, ``(4 * units, n)``
        Output: gradient of the product of the layer's matrix, nothing halved.
    """
    n = before.size
    gates, gradient, before = gates.reshape(-1), gradient.reshape(-1), before.reshape(-1)
    squashed, wanted, carried = squashed.reshape(-1), wanted.reshape(-1), carried.reshape(-1)
    for i in range(n):
        enter, forget = gates[i], gates[n + i]
        leave, candidate = gates[2 * n + i], gates[3 * n + i]
        small = squashed[i]
        cell = carried[i] + (ONE - small * small) * leave * wanted[i]
        # Slopes of the activations: s - s**2 of a sigmoid s, 1 - t**2 of a tanh t.
        gradient[i] = cell * candidate * (enter - enter * enter)
        gradient[n + i] = cell * before[i] * (forget - forget * forget)
        gradient[2 * n + i] = wanted[i] * small * (leave - leave * leave)
        gradient[3 * n + i] = cell * enter * (ONE - candidate * candidate)
        carried[i] = cell * forget


@_compiled
def drop(
    values: FloatArray32,
    dropout_draws: NDArray[np.uint16],
    least: int,
    scale: np.float32,
    kept: FloatArray32,
) -> None:
    """Drop the values whose draw is below ``least``, and scale the rest.

    Parameters
    ----------
    values : ndarray, ``(units, n)``
    dropout_draws : ndarray of uint16, ``(units, n)``
    least : int
    scale : float32
    kept : ndarray, ``(units, n)``
        Output.
    """
    values, dropout_draws, kept = values.reshape(-1), dropout_draws.reshape(-1), kept.reshape(-1)
    for i in range(values.size):
        kept[i] = values[i] * scale if dropout_draws[i] >= least else np.float32(0)
