"""What code hands to a component when it is built, beside the user's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from collector.api.clock import Clock, SystemClock
from collector.api.component import Consume, Guard
from collector.api.signal import Signal
from collector.api.telemetry import ComponentStatus, Metrics, State


class Logger(Protocol):
    """The part of a structlog logger that components use: an event and its key-value pairs; `exception` adds the traceback."""

    def debug(self, event: str, **values: Any) -> Any: ...
    def info(self, event: str, **values: Any) -> Any: ...
    def warning(self, event: str, **values: Any) -> Any: ...
    def error(self, event: str, **values: Any) -> Any: ...
    def exception(self, event: str, **values: Any) -> Any: ...


class Report(Protocol):
    """Tells health how the component is; `message` is for an operator and holds no payload."""

    def __call__(self, state: State, message: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """The surroundings of one component.

    `id` is the user's name for it, `type` or `type/name`. `consumers` is filled for receivers and connectors.
    `guards` holds, for signals that may be refused before they are read, what a receiver asks first.
    `status` tells how every component is, for extensions that answer for the whole process.
    """

    id: str
    metrics: Metrics
    log: Logger
    report: Report
    clock: Clock = field(default_factory=SystemClock)
    consumers: Mapping[Signal, Consume] = field(default_factory=dict)
    guards: Mapping[Signal, Guard] = field(default_factory=dict)
    status: Callable[[], Sequence[ComponentStatus]] = tuple
