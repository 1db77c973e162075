"""Keras's share of a training step."""

from typing import Any

import numpy as np

from cryptodask.models.lstm import LSTM
from cryptodask.models.lstm_training import Trainer, build_network


def test_what_is_kept_is_what_keras_keeps_step_after_step(keras: Any) -> None:
    options = LSTM(window=5, units=(4, 3, 2), dropout=0.3)
    teacher, theirs = Trainer(options), build_network(options)
    for ours, other in zip(teacher.model.variables, theirs.variables, strict=True):
        other.assign(ours)
    parts = [part for part in theirs.layers if type(part).__name__ == "Dropout"]
    for rows in (6, 2, 6):
        masks = teacher._masks(rows)
        assert [mask.shape for mask in masks] == [(5, 4, rows), (5, 3, rows)]
        for mask, part in zip(masks, parts, strict=False):
            ones = np.ones((rows, *mask.shape[:2]), dtype=np.float32)
            expected = np.asarray(part(ones, training=True))
            np.testing.assert_allclose(mask.transpose(2, 0, 1), expected, rtol=1e-6)
            assert 0 < (mask == 0).mean() < 1


def test_without_dropout_nothing_is_drawn(keras: Any) -> None:
    assert Trainer(LSTM(window=5, units=(4, 3), dropout=0.0))._masks(3) == []
