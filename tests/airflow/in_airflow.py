"""What tests ask of Airflow, run by the Python of its environment; prints JSON on the last line.

``python in_airflow.py dags`` describes the DAGs; ``python in_airflow.py run DATE`` runs the
scheduled one for a day, without a scheduler; ``python in_airflow.py late RUN`` reports it as late.
"""

import json
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk._shared.module_loading import import_string


def describe() -> dict[str, Any]:
    """Return errors of the import, and of each DAG its tasks."""
    bag = DagBag()
    loaded = sorted(name for name in ("pandas", "cryptodask", "dask") if name in sys.modules)
    dags = {}
    for name, dag in bag.dags.items():
        tasks = {
            task.task_id: {
                "classes": [base.__name__ for base in kind_of(task).__mro__],
                "retries": task.retries,
                "backoff": bool(task.retry_exponential_backoff),
                "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
                "upstream": sorted(task.upstream_task_ids),
                "mapped": task.task_id.startswith("group."),
            }
            for task in dag.tasks
        }
        dags[name] = {"tasks": tasks, "deadline": bool(dag.deadline), "catchup": dag.catchup}
    errors = {str(file): str(error) for file, error in bag.import_errors.items()}
    return {"errors": errors, "loaded": loaded, "dags": dags}


def kind_of(task: Any) -> type:
    """Return the class of a task, mapped or not."""
    kind: type = getattr(task, "operator_class", type(task))
    return kind


def run(date: str) -> dict[str, Any]:
    """Run the scheduled DAG for a day; return its state, and the tries and state of each task."""
    dag = DagBag().get_dag("cryptodask_daily")
    ended = dag.test(run_conf={"date": date})
    tasks = {
        f"{task.task_id}[{task.map_index}]": [str(task.state), task.try_number]
        for task in ended.get_task_instances()
    }
    return {"state": str(ended.state), "tasks": tasks}


def late(run_id: str) -> dict[str, Any]:
    """Call what the deadline of the scheduled DAG calls, with what Airflow hands to it."""
    dag = DagBag().dags["cryptodask_daily"]
    (alert,) = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
    import_string(alert.callback.path)(
        context={"dag_run": {"dag_id": "cryptodask_daily", "dag_run_id": run_id}}
    )
    return {}


if __name__ == "__main__":
    if sys.argv[1] == "dags":
        answer = describe()
    else:
        answer = (run if sys.argv[1] == "run" else late)(sys.argv[2])
    sys.stdout.write(f"{json.dumps(answer)}\n")
