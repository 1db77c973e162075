"""The memory that a layer keeps; its numbers are held to Keras's with the network's."""

import numpy as np

from cryptodask.models.lstm.layer import LINE, Buffers


def test_memory_is_kept_grows_and_starts_with_a_line() -> None:
    buffers = Buffers()
    large = buffers.take("a", 3, 50)
    small = buffers.take("a", 7, 2)
    assert small.shape == (7, 2)
    assert np.shares_memory(small, large)
    assert not np.shares_memory(buffers.take("b", 7, 2), small)
    larger = buffers.take("a", 151)
    assert not np.shares_memory(larger, large)
    for array in (large, small, larger):
        assert array.ctypes.data % (4 * LINE) == 0
