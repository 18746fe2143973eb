"""Round robin, ejection and return of servers."""

from __future__ import annotations

from clients.options import Breaker
from clients.replicas import Replicas


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def replicas(count: int, **breaker: float) -> tuple[Replicas, Clock]:
    clock = Clock()
    return Replicas(count, breaker=Breaker(**breaker), protect_last=True, clock=clock), clock


def test_round_robin() -> None:
    standing, _ = replicas(3)
    assert [standing.pick() for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_tried_server_comes_last() -> None:
    standing, _ = replicas(3)
    assert standing.pick([0, 1]) == 2
    assert standing.pick([0, 1, 2]) in (0, 1, 2)


def test_failures_eject_and_one_call_tries_again() -> None:
    standing, clock = replicas(2, failures=2, open_for=1.0)
    assert not standing.failed(0, leaving=False)
    assert standing.failed(0, leaving=False)
    assert {standing.pick() for _ in range(6)} == {1}
    clock.now += 1.0
    picks = [standing.pick() for _ in range(6)]
    assert picks.count(0) == 1, "one call alone tries the ejected server"
    standing.succeeded(0)
    assert {standing.pick() for _ in range(4)} == {0, 1}


def test_a_failed_trial_doubles_the_ejection() -> None:
    standing, clock = replicas(2, failures=1, open_for=1.0, max_open_for=3.0)
    standing.failed(0, leaving=False)
    for wait in (1.0, 2.0, 3.0, 3.0):
        clock.now += wait - 0.01
        assert {standing.pick() for _ in range(4)} == {1}
        clock.now += 0.01
        assert 0 in {standing.pick() for _ in range(2)}
        standing.failed(0, leaving=False)


def test_a_server_that_leaves_is_ejected_at_once() -> None:
    standing, _ = replicas(2, failures=5)
    assert standing.failed(1, leaving=True)
    assert {standing.pick() for _ in range(4)} == {0}


def test_the_last_server_in_good_standing_stays() -> None:
    standing, _ = replicas(2, failures=1)
    standing.failed(0, leaving=True)
    assert not standing.failed(1, leaving=True)
    assert standing.pick() == 1
    assert not standing.another([1])


def test_a_cancelled_trial_frees_the_place() -> None:
    standing, clock = replicas(2, failures=1, open_for=1.0)
    standing.failed(0, leaving=False)
    clock.now += 1
    while standing.pick() != 0:
        pass
    assert {standing.pick() for _ in range(4)} == {1}
    standing.released(0)
    assert 0 in {standing.pick() for _ in range(2)}


def test_a_success_in_between_resets_the_count() -> None:
    standing, _ = replicas(2, failures=2)
    for _ in range(5):
        assert not standing.failed(0, leaving=False)
        standing.succeeded(0)


def test_a_backup_is_another_server_where_there_is_one() -> None:
    standing, _ = replicas(3, failures=1)
    assert standing.backup(0) == 1
    standing.failed(1, leaving=True)
    assert standing.backup(0) == 2
    alone, _ = replicas(1)
    assert alone.backup(0) == 0
