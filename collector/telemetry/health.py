"""The state of every component, and what follows from it for the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock

from collector.api import Clock, ComponentStatus, Kind, Metrics, Report, State
from collector.telemetry.catalogue import OTTERY_COMPONENT_STATE

PIPELINE = "pipelines"
"""Kind of a pipeline's log: failed when it can take nothing more."""
DELIVERY = "delivery"
"""Kind of one exporter's cursor in a pipeline's log: failed when only an operator can help."""

_WORKING = (State.OK, State.DEGRADED)


class HealthBoard:
    """Where components report to. Safe to use from any thread."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._lock = Lock()
        self._statuses: dict[tuple[str, str], ComponentStatus] = {}

    def report(self, kind: str, id: str) -> Report:  # noqa: A002 - the field's word
        """Return the `Report` of one component."""
        return partial(self._report, kind, id)

    def _report(self, kind: str, id: str, state: State, message: str = "") -> None:  # noqa: A002 - as above
        with self._lock:
            before = self._statuses.get((kind, id))
            since = before.since if before and before.state is state else self._clock.now_ns()
            self._statuses[kind, id] = ComponentStatus(id, kind, state, since, message)
        for each in State:
            self._metrics.set(OTTERY_COMPONENT_STATE, float(each is state), component=id, kind=kind, state=each)

    def statuses(self) -> Sequence[ComponentStatus]:
        """Return how every component is, in the order in which they first reported."""
        with self._lock:
            return tuple(self._statuses.values())


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the process can do: `serving` means that receivers are bound, `ready` that data has somewhere to go.

    `reasons` says in words why it is not ready.
    """

    serving: bool
    ready: bool
    reasons: tuple[str, ...]


def readiness(statuses: Sequence[ComponentStatus]) -> Readiness:
    """Return what follows from the states of all components.

    Ready means: every receiver is bound, every pipeline's log takes data, and at least one exporter is not failed.
    A sink that is down degrades its exporter and leaves the process ready: the log takes what comes meanwhile.
    """
    living = [status for status in statuses if status.state is not State.STOPPED]
    receivers = _of(living, Kind.RECEIVER)
    unbound = [_say(status) for status in receivers if status.state not in _WORKING]
    if not receivers:
        unbound = ["no receiver is running"]
    full = [_say(status) for status in _of(living, PIPELINE) if status.state is State.FAILED]
    cursors = _of(living, DELIVERY) or _of(living, Kind.EXPORTER)
    failed = [_say(status) for status in cursors if status.state is State.FAILED]
    stuck = failed if len(failed) == len(cursors) else []
    reasons = (*unbound, *full, *stuck)
    return Readiness(serving=not unbound, ready=not reasons, reasons=reasons)


def _of(statuses: Sequence[ComponentStatus], kind: str) -> list[ComponentStatus]:
    return [status for status in statuses if status.kind == kind]


def _say(status: ComponentStatus) -> str:
    said = f"{status.kind}.{status.id} is {status.state}"
    return f"{said}: {status.message}" if status.message else said
