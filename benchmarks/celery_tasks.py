"""The Celery application of ``lstm_workers.py``: one Keras model a coin, its prices in the message.

Its worker is started there, by ``celery -A celery_tasks worker``. What is imported here is so once
in the worker's first process, from which the others fork; Keras and TensorFlow are imported by the
task itself.
"""

import os

import numpy as np
from celery import Celery
from lstm_per_coin import per_coin

BROKER = "CRYPTODASK_BENCHMARK_BROKER"
QUEUE = "CRYPTODASK_BENCHMARK_QUEUE"

app = Celery("celery_tasks", broker=os.environ[BROKER], backend="rpc://")
app.conf.update(
    task_default_queue=os.environ[QUEUE],
    control_exchange=os.environ[QUEUE],  # so that all that is made there has a name of our own
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=3,
)


@app.task
def forecast_coin(closes: list[float]) -> list[float]:
    """Forecast one coin with a Keras model of its own."""
    return per_coin(np.array(closes)).tolist()  # type: ignore[no-any-return]
