"""What is done to a worker's process rather than to a job."""

from cryptodask.models import Model
from cryptodask.models.allocator import release_memory_soon


def warm_up_model(model: Model) -> None:
    """Have a model import and compile what it needs."""
    model.warm_up()


async def release_memory() -> None:
    """Give back the memory that was kept for the next batch of a run, soon."""
    await release_memory_soon()
