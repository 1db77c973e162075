"""Our losses and optimisers against those of Keras."""

from typing import Any

import numpy as np
import pytest

from cryptodask.models.lstm.keras_learning import KerasOptimizer, keras_loss
from cryptodask.models.lstm.learning import LOSSES, OPTIMIZERS, Decaying

SHAPES = {"kernel_0": (3, 4), "bias_0": (5,)}


def draw(n: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 1.5, n).astype(np.float32)


@pytest.mark.parametrize("n", [1, 9, 100])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_gradient_are_those_of_keras(keras: Any, name: str, n: int) -> None:
    predicted, y = draw(n, 0), draw(n, 1)
    loss, gradient = LOSSES[name](predicted, y)
    theirs, expected = keras_loss(name)(predicted, y)
    assert loss == pytest.approx(theirs, rel=1e-5)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 2.0])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_of_an_optimiser_is_that_of_keras_and_begins_afresh(
    keras: Any, name: str, decay: float
) -> None:
    ours, theirs = OPTIMIZERS[name](), KerasOptimizer(name, decay)
    ours = Decaying(ours, decay) if decay else ours
    for seed in (0, 1):
        mine = other = draw(17, seed)
        for optimizer in (ours, theirs):
            optimizer.begin(SHAPES, 0.01)
        for step in range(20):
            gradient = draw(17, 100 * seed + step)
            mine, other = ours.step(mine, gradient), theirs.step(other, gradient)
            assert mine.dtype == other.dtype == np.float32
            np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
