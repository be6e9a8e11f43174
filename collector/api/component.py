"""What every part of a pipeline is, and how it is described to the catalogue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from collector.api.batch import Batch
from collector.api.signal import Signal

if TYPE_CHECKING:
    from collector.api.config import ConfigModel
    from collector.api.errors import Permanent
    from collector.api.settings import Settings

Guard = Callable[[], None]
"""Raises `Overloaded` when a request should not even be read now."""

Consume = Callable[[Batch], Awaitable[None]]
"""Takes a batch over. Returns when the batch is safe and the client may be answered.

Raises `Overloaded` or `Rejected`, and then nothing of the batch was kept.
"""


@runtime_checkable
class Component(Protocol):
    """A part with a life of its own. `stop` may be called twice, and without `start`."""

    async def start(self) -> None:
        """Make ready. Must return soon: a sink that is down is not an error here."""

    async def stop(self) -> None:
        """Finish what was taken over, then let go of every resource."""


@runtime_checkable
class Listens(Protocol):
    """A component that people or programs can talk to."""

    @property
    def listening(self) -> Mapping[str, str]:
        """Addresses by what is spoken there, such as `{"OTLP over gRPC": "localhost:4317"}`."""


class Receiver(Component, Protocol):
    """Takes data from outside and hands it to the consumer of its signal (see `Settings.consumers`)."""


class Processor(Component, Protocol):
    """Changes batches: synchronous, without side effects, called off the event loop."""

    def process(self, batch: Batch) -> Batch | None:
        """Return the changed batch, the same one, or None when nothing is left of it."""


@runtime_checkable
class Guards(Component, Protocol):
    """Stands among the processors, but changes no batch: it says no before there is one."""

    def guard(self) -> None:
        """Raise `Overloaded` when a request should not even be read now; called for every request."""


@dataclass(slots=True)
class Delivery:
    """One batch on its way into one sink, through all its attempts.

    `token` is a pure function of the rows and is the same after a retry or a restart. `done` names the parts
    (tables, partitions) that the sink has taken already, so that an attempt never sends them again; `refused` holds
    those that it has refused for good, where it is asked part by part.
    """

    batch: Batch
    token: str
    attempt: int = 1
    done: set[str] = field(default_factory=set)
    refused: dict[str, Permanent] = field(default_factory=dict)


class Exporter(Component, Protocol):
    """Sends batches to a sink."""

    async def push(self, delivery: Delivery) -> None:
        """Send one batch; returning means that the sink has it.

        Raises `Retryable`, `Permanent` or `Fatal`. May be called concurrently.
        """


class Connector(Component, Protocol):
    """Ends one pipeline and begins others: what it makes of a batch goes to `Settings.consumers`, or nowhere."""

    async def consume(self, batch: Batch) -> None:
        """Take a batch over; see `Consume`."""


class Kind(StrEnum):
    """The five sections of a configuration that hold components."""

    RECEIVER = "receivers"
    PROCESSOR = "processors"
    EXPORTER = "exporters"
    CONNECTOR = "connectors"
    EXTENSION = "extensions"


class Stability(StrEnum):
    """How far a component may be relied on."""

    STABLE = "stable"
    BETA = "beta"
    ALPHA = "alpha"


@dataclass(frozen=True, slots=True)
class Factory:
    """What the catalogue knows of a component type.

    `create(config, settings)` builds a component and does no I/O; `config` is the model of its block.
    """

    name: str
    kind: Kind
    config: type[ConfigModel]
    create: Callable[[Any, Settings], Component]
    summary: str
    signals: frozenset[Signal] = frozenset(Signal)
    stability: Stability = Stability.BETA
    aliases: Mapping[str, str] = field(default_factory=dict)
