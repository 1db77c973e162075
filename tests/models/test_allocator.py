"""Memory that is freed is there for the next batch."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from cryptodask.models.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        batch = [np.ones(500_000) for _ in range(4)]
        del batch
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
keep_freed_memory()
faults()
print(before, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to")
def test_pages_of_a_batch_are_not_made_anew_for_the_next_one() -> None:
    # As Dask starts its workers.
    run = subprocess.run(
        [sys.executable, "-c", CODE],
        env={"MALLOC_TRIM_THRESHOLD_": "65536", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = map(int, run.stdout.split())
    assert before > 20_000
    assert after < 1_000
