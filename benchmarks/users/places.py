"""Where a user stands among all users of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust.runners import WorkerRunner

if TYPE_CHECKING:
    from locust.env import Environment

    from benchmarks.plan import LoadPlan


def places_of(plan: LoadPlan) -> int:
    """How many unanswered requests one user may have."""
    return max(1, plan.max_in_flight // sum(plan.users.values()))


def workers_of(environment: Environment) -> tuple[int, int]:
    """The number of this process among Locust's workers, and how many there are."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        options = environment.parsed_options
        return runner.worker_index, max(1, (options and options.processes) or 1)
    return 0, 1
