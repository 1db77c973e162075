"""The daily pipeline: poll, check, send, wait, judge, store and request, as plain steps.

`cryptodask.pipeline.steps` has the steps, each a function of the settings and a day that may be
called again; `cryptodask pipeline` runs them from a shell, and the DAG in ``dags/`` arranges them.
"""
