"""The HTTP user."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from locust import User, task
from locust.exception import StopUser

from benchmarks.users.callers import HttpCaller
from benchmarks.users.pacing import send_one, send_when_due
from benchmarks.users.places import places_of, workers_of

if TYPE_CHECKING:
    from benchmarks.users.load_run import LoadRun


class HttpUser(User):
    """Sends inference requests over HTTP; the locustfile sets `load_run` before users start."""

    load_run: ClassVar[LoadRun]

    def on_start(self) -> None:
        """Opens this user's connections."""
        plan = self.load_run.plan
        self._caller = HttpCaller(
            str(plan.http_url),
            deadline_seconds=plan.deadline_seconds,
            connections=1 if plan.mode == "closed" else places_of(plan),
        )

    @task
    def ask(self) -> None:
        """One request in a closed loop; the whole schedule in an open one."""
        run = self.load_run
        run.begun.wait()
        if run.over:
            raise StopUser
        if run.plan.mode == "closed":
            send_one(run, self._caller, "http")
            return
        worker, workers = workers_of(self.environment)
        send_when_due(run, self._caller, "http", places=places_of(run.plan), worker=worker, workers=workers)
        # The schedule has ended, perhaps just before the run does: begun again, all of it would be overdue.
        raise StopUser

    def on_stop(self) -> None:
        """Closes the connections."""
        self._caller.close()
