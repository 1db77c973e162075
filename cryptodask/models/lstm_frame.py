"""What Keras does of the LSTM's training step: all but the LSTM layers and what joins them.

First values, dropout, the layers behind the last LSTM layer, loss and optimiser are Keras's own,
each traced once a process. Nothing is imported here: `Frame` gets TensorFlow, Keras and a model.
"""

from collections.abc import Callable, Sequence
from typing import Any


class Frame:
    """Keras's share of a training step, traced.

    Each function takes NumPy arrays and returns TensorFlow's. The number of windows, ``rows``, is
    left open, so that one trace serves the full batches and the short last one.

    Parameters
    ----------
    tf, keras : module
    model : keras.Sequential
        As `cryptodask.models.lstm_training.build_network` builds it.
    loss, optimizer : callable, keras.optimizers.Optimizer

    Attributes
    ----------
    begin : callable
        Of values for all variables of the model: sets them, and the optimiser's to new.
    draw : callable
        Of ``rows``: which outputs of each layer but the last dropout keeps, each a tensor of bool,
        ``(rows, window, units)``, from the model's seeds, which move on.
    judge : callable
        Of the last layer's last outputs, ``(units, rows)``, and targets, ``(rows,)``: the loss,
        its gradient by those outputs, ``(units, rows)``, and by each weight behind them.
    update : callable
        Of the gradients of all trainable variables, and of mean and variance of each batch
        normalisation between layers: the trainable variables after a step of the optimiser.

    Raises
    ------
    NotImplementedError, TypeError, ValueError
        The loss is not for one number a window, or has no gradient.
    """

    def __init__(self, tf: Any, keras: Any, model: Any, loss: Any, optimizer: Any) -> None:
        self._tf, self._keras, self._model = tf, keras, model
        places = [i for i, part in enumerate(model.layers) if type(part).__name__ == "LSTM"]
        self._between, self._behind = model.layers[: places[-1]], model.layers[places[-1] + 1 :]
        optimizer.build(model.trainable_variables)
        self.begin = self._trace_begin(optimizer)
        self.draw = self._trace_draw()
        self.judge = self._trace_judge(loss, model.layers[places[-1]].units)
        self.update = self._trace_update(optimizer)

    def _trace_begin(self, optimizer: Any) -> Callable[..., Any]:
        variables = self._model.variables
        state = [(variable, variable.value.numpy()) for variable in optimizer.variables]

        def begin(*values: Any) -> None:
            for variable, value in [*zip(variables, values, strict=True), *state]:
                variable.assign(value)

        return self._traced(begin, [(v.shape, v.dtype) for v in variables])

    def _trace_draw(self) -> Callable[..., Any]:
        keras = self._keras
        parts = [part for part in self._between if type(part).__name__ == "Dropout"]

        def draw(rows: Any) -> Any:
            # As keras.layers.Dropout does it, but for the product, which is ours.
            return [
                keras.random.uniform((rows, *part.input.shape[1:]), seed=part.seed_generator)
                >= part.rate
                for part in parts
            ]

        return self._traced(draw, [((), "int32")])

    def _trace_judge(self, loss: Any, units: int) -> Callable[..., Any]:
        tf, behind = self._tf, self._behind
        weights = [v for part in behind for v in part.trainable_variables]

        def judge(last: Any, y: Any) -> Any:
            outputs = tf.transpose(last)
            with tf.GradientTape() as tape:
                tape.watch(outputs)
                predicted = outputs
                for part in behind:
                    predicted = part(predicted, training=True)
                error = tf.reduce_mean(loss(y[:, None], predicted))
            wanted, *gradients = tape.gradient(error, [outputs, *weights])
            return error, tf.transpose(wanted), *gradients

        return self._traced(judge, [((units, None), "float32"), ((None,), "float32")])

    def _trace_update(self, optimizer: Any) -> Callable[..., Any]:
        variables = self._model.trainable_variables
        norms = [part for part in self._between if type(part).__name__ == "BatchNormalization"]
        moving = [(v, norm.momentum) for norm in norms for v in norm.non_trainable_variables]

        def update(*arrays: Any) -> Any:
            gradients, moments = arrays[: len(variables)], arrays[len(variables) :]
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            for (variable, momentum), moment in zip(moving, moments, strict=True):
                variable.assign(variable * momentum + moment * (1 - momentum))
            return [variable.value for variable in variables]

        arguments = [*variables, *(variable for variable, _ in moving)]
        return self._traced(update, [(v.shape, v.dtype) for v in arguments])

    def _traced(self, function: Any, arguments: Sequence[tuple[Any, str]]) -> Callable[..., Any]:
        signature = [self._tf.TensorSpec(*argument) for argument in arguments]
        traced: Callable[..., Any] = self._tf.function(
            function, input_signature=signature
        ).get_concrete_function()
        return traced
