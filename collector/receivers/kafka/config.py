"""Configuration of the receiver `kafka`, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from collector.api import ConfigModel, Duration, Logger, Signal
from collector.api.config import parse_duration
from collector.receivers.inert import Inert
from exporters.kafka.client import ClientConfig

OtlpEncoding = Literal["otlp_proto", "otlp_json"]
LogsEncoding = Literal["otlp_proto", "otlp_json", "raw", "text", "json"]
Assignor = Literal["cooperative-sticky", "range", "roundrobin"]

_ALWAYS = "offsets always move after delivery, and only then"
_OWN_BACKOFF = "a partition whose batch is not taken tries again with growing waits, for ever"


class TopicsConfig(ConfigModel):
    """`traces`, `metrics`: what one signal is read from."""

    topics: tuple[str, ...] = ()
    """Names, or regular expressions that begin with `^`."""
    exclude_topics: tuple[str, ...] = ()
    """Regular expressions of topics that are left out for this signal."""
    encoding: OtlpEncoding = "otlp_proto"

    @field_validator("exclude_topics")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return patterns


class LogTopicsConfig(TopicsConfig):
    """`logs`: what logs are read from."""

    encoding: LogsEncoding = "otlp_proto"  # type: ignore[assignment]  # logs come in more encodings
    """`raw` keeps the record's value as bytes, `text` as UTF-8 text, `json` as the value that it says."""


class AutoCommit(ConfigModel):
    """`autocommit`."""

    enable: Annotated[bool, Inert(_ALWAYS)] = True
    interval: Duration = 1.0
    """How often offsets are committed at the latest."""


class MessageMarking(ConfigModel):
    """`message_marking`: accepted for compatibility."""

    after: Annotated[bool, Inert(_ALWAYS)] = True
    on_error: Annotated[bool, Inert(_ALWAYS)] = False
    on_permanent_error: Annotated[bool, Inert("what is refused for good goes to the retry topics")] = True


class HeaderExtraction(ConfigModel):
    """`header_extraction`: record headers become resource attributes `kafka.header.<name>`."""

    extract_headers: bool = False
    headers: tuple[str, ...] = ()
    """Names of headers."""


class ErrorBackoff(ConfigModel):
    """`error_backoff`: accepted for compatibility."""

    enabled: Annotated[bool, Inert(_OWN_BACKOFF)] = True
    initial_interval: Annotated[Duration, Inert(_OWN_BACKOFF)] = 0.0
    max_interval: Annotated[Duration, Inert(_OWN_BACKOFF)] = 0.0
    multiplier: Annotated[float, Inert(_OWN_BACKOFF)] = 1.5
    randomization_factor: Annotated[float, Inert(_OWN_BACKOFF)] = 0.5
    max_elapsed_time: Annotated[Duration, Inert(_OWN_BACKOFF)] = 0.0


class Gathering(ConfigModel):
    """`batch`: how many records of a partition travel together. What travels together is one insert."""

    flush_timeout: Duration = 0.2
    """Longest wait for more records."""
    max_bytes: int = Field(4 << 20, gt=0)
    """Most bytes of records."""
    max_buffered_bytes: int = Field(16 << 20, gt=0)
    """Bytes of records that wait, a partition; above it the partition is paused, below half of it resumed."""


class DeadLetterConfig(ConfigModel):
    """`dead_letters`: where records and rows go that nobody can read or no sink will take."""

    retry_delays: tuple[str, ...] = ("30s", "5m", "1h")
    """Waits before refused rows are tried again, one topic each; empty sends them to the last topic at once."""
    retry_topic: str = "{topic}.retry.{delay}"
    topic: str = "{topic}.dlq"
    """Where they end."""
    retention: Duration = 30 * 86400.0
    """How long that topic keeps them, where Ottery creates it."""
    create_topics: bool = True
    """Create these topics when they are first needed."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        if "{topic}" not in self.retry_topic or "{delay}" not in self.retry_topic or "{topic}" not in self.topic:
            raise ValueError("retry_topic needs {topic} and {delay} in it, topic needs {topic}")
        for delay in self.retry_delays:
            parse_duration(delay)
        return self

    def delay(self, level: int) -> float:
        """Return the wait in seconds of the retry topic at `level`, from 1."""
        return parse_duration(self.retry_delays[level - 1])


class KafkaReceiverConfig(ClientConfig):
    """`kafka`."""

    traces: TopicsConfig = TopicsConfig()
    metrics: TopicsConfig = TopicsConfig()
    logs: LogTopicsConfig = LogTopicsConfig()
    group_id: str = Field("otel-collector", min_length=1)
    """Consumers with one group id share the partitions."""
    group_instance_id: str = ""
    """Makes a member static: a restart within `session_timeout` moves no partition."""
    group_rebalance_strategies: tuple[Assignor, ...] = Field(("cooperative-sticky",), min_length=1)
    """How partitions are shared out; all members of a group need one in common."""
    initial_offset: Literal["earliest", "latest"] = "earliest"
    """Where a group begins that has no offset; with `latest`, what a new partition got before it was found is skipped."""
    session_timeout: Duration = 10.0
    heartbeat_interval: Duration = 3.0
    rack_id: str = ""
    """Read from replicas in the same rack, where brokers allow it."""
    use_leader_epoch: Annotated[bool, Inert("the client library always does")] = True
    min_fetch_size: int = Field(1, ge=1)
    max_fetch_size: int = Field(1 << 20, ge=1)
    max_partition_fetch_size: int = Field(1 << 20, ge=1)
    max_fetch_wait: Duration = 0.25
    autocommit: AutoCommit = AutoCommit()
    message_marking: MessageMarking = MessageMarking()
    partition_processing: Annotated[dict[str, Any], Inert("partitions are always independent of each other")] = Field(
        default_factory=dict
    )
    header_extraction: HeaderExtraction = HeaderExtraction()
    error_backoff: ErrorBackoff = ErrorBackoff()
    batch: Gathering = Gathering()
    dead_letters: DeadLetterConfig = DeadLetterConfig()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen: dict[str, Signal] = {}
        for signal in Signal:
            for topic in self.topics(signal):
                if (other := seen.setdefault(topic, signal)) is not signal:
                    raise ValueError(f"topic {topic} is read for {other} and for {signal}: it can hold one of them")
        return self

    def of(self, signal: Signal) -> TopicsConfig:
        """Return the block of a signal."""
        block: TopicsConfig = getattr(self, signal.value)
        return block

    def topics(self, signal: Signal) -> tuple[str, ...]:
        """Return what a signal is read from."""
        return self.of(signal).topics or (_TOPICS[signal],)

    def connection(self, log: Logger | None) -> dict[str, Any]:
        """Return what a producer needs to reach the same brokers."""
        return {**super().properties(log), **self.librdkafka}

    def properties(self, log: Logger | None, hidden: Sequence[str] = ()) -> dict[str, Any]:
        """Return everything for the client library, which is not to see topics that match a pattern of `hidden`."""
        letters = "^" + self.dead_letters.topic.replace(".", r"\.").replace("{topic}", ".*") + "$"
        return {
            **super().properties(log),
            "group.id": self.group_id,
            **({"group.instance.id": self.group_instance_id} if self.group_instance_id else {}),
            **({"client.rack": self.rack_id} if self.rack_id else {}),
            "partition.assignment.strategy": ",".join(self.group_rebalance_strategies),
            "auto.offset.reset": self.initial_offset,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "session.timeout.ms": int(self.session_timeout * 1000),
            "heartbeat.interval.ms": int(self.heartbeat_interval * 1000),
            "fetch.min.bytes": self.min_fetch_size,
            "fetch.max.bytes": max(self.max_fetch_size, self.max_partition_fetch_size),
            "fetch.message.max.bytes": self.max_partition_fetch_size,
            "fetch.wait.max.ms": int(self.max_fetch_wait * 1000),
            "queued.max.messages.kbytes": 16 << 10,
            "topic.blacklist": ",".join((letters, *hidden)),
            **self.librdkafka,
        }


_TOPICS = {Signal.TRACES: "otlp_spans", Signal.METRICS: "otlp_metrics", Signal.LOGS: "otlp_logs"}
