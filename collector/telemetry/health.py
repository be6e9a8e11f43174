"""The state of every component, and what follows from it for the process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any

from pydantic import field_validator

from collector.api import (
    Clock,
    ComponentStatus,
    ConfigModel,
    Factory,
    Kind,
    Metrics,
    Report,
    Settings,
    State,
)
from collector.http import split_endpoint
from collector.telemetry.catalogue import OTTERY_COMPONENT_STATE
from collector.telemetry.server import Page, PageServer

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


class ResponseBody(ConfigModel):
    """`response_body`: fixed answers instead of the JSON ones."""

    healthy: str = ""
    unhealthy: str = ""


class HealthCheckConfig(ConfigModel):
    """`health_check`: tells probes and people how Ottery is."""

    endpoint: str = "localhost:13133"
    """`host:port` to listen on; `:port` is every interface."""
    path: str = "/"
    """Where the answer for the whole process is; `/live`, `/ready` and `/status` are beside it."""
    response_body: ResponseBody = ResponseBody()

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, endpoint: str) -> str:
        split_endpoint(endpoint)
        return endpoint

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError(f"a path such as /health was expected, not {path!r}")
        return path


class HealthCheck(PageServer):
    """The `health_check` extension: 200 or 503 for the process, and every component's state."""

    def __init__(self, config: HealthCheckConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        pages = {"/live": self._live, "/ready": self._ready, "/status": self._status, config.path: self._whole}
        super().__init__(config.endpoint, pages)

    @property
    def listening(self) -> Mapping[str, str]:
        """Where probes ask."""
        return {"health": f"http://{self._config.endpoint}{self._config.path}"}

    def _live(self) -> Page:
        return _json({"status": "live"})

    def _ready(self) -> Page:
        found = readiness(self._settings.status())
        return _json({"ready": found.ready, "reasons": found.reasons}, ok=found.ready)

    def _status(self) -> Page:
        statuses = self._settings.status()
        components = [{**asdict(status), "since": _time(status.since)} for status in statuses]
        return _json({**asdict(readiness(statuses)), "components": components})

    def _whole(self) -> Page:
        statuses = self._settings.status()
        found = readiness(statuses)
        fixed = self._config.response_body
        text = fixed.healthy if found.serving else fixed.unhealthy
        if text:
            return Page(text.encode(), status=200 if found.serving else 503)
        if not found.serving:
            return _json({"status": "Server not available", "reasons": found.reasons}, ok=False)
        since = max(status.since for status in _of(statuses, Kind.RECEIVER) if status.state in _WORKING)
        seconds = (self._settings.clock.now_ns() - since) / 1e9
        return _json({"status": "Server available", "upSince": _time(since), "uptime": f"{seconds:.3f}s"})


def _json(document: Mapping[str, Any], *, ok: bool = True) -> Page:
    body = json.dumps(document, indent=2).encode() + b"\n"
    return Page(body, "application/json", 200 if ok else 503)


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


FACTORY = Factory(
    name="health_check",
    kind=Kind.EXTENSION,
    config=HealthCheckConfig,
    create=HealthCheck,
    summary="Answers probes, and tells the state of every component.",
)
