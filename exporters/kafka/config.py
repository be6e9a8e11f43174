"""Configuration of the exporter `kafka`, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from collector.api import ConfigModel, Duration, ExporterConfig, Logger, Signal
from exporters.kafka.client import ClientConfig

_LOOKS = 1.0
"""Seconds between two looks of the library at which records have run out of time."""

Encoding = Literal["otlp_proto", "otlp_json"]
Acks = Annotated[Literal["all", "1", "0"], BeforeValidator(lambda value: "all" if value == -1 else str(value))]


class SignalConfig(ConfigModel):
    """`traces`, `metrics`, `logs`: where one signal goes, and how."""

    topic: str = ""
    """Topic; `otlp_spans`, `otlp_metrics` or `otlp_logs` when empty."""
    encoding: Encoding = "otlp_proto"
    topic_from_metadata_key: str = ""
    """Client metadata whose value is the topic, where it is there."""
    message_key_from_metadata_key: str = ""
    """Client metadata whose value is the records' key, where it is there."""


class CompressionParams(ConfigModel):
    """`producer.compression_params`."""

    level: int = -1
    """-1 is the method's own default, for zstd 1: the next levels cost more than they save."""


class ProducerConfig(ConfigModel):
    """`producer`."""

    max_message_bytes: int = Field(1_000_000, ge=4096)
    """Largest record before compression; requests above it are split by items."""
    max_broker_write_bytes: int = Field(104_857_600, gt=0)
    """Accepted for compatibility; the client library has no such limit."""
    required_acks: Acks = "all"
    """Brokers that must have a record: `all`, 1, or 0. Only with `all` are repetitions told apart."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "zstd"
    compression_params: CompressionParams = CompressionParams()
    flush_max_messages: int = Field(10_000, ge=0)
    """Records of one write at most; 0 is the library's own limit."""
    allow_auto_topic_creation: bool = True
    """Let brokers that are set up so make missing topics."""
    linger: Duration = 0.01
    """How long a record waits for others to be written with it."""

    def properties(self) -> dict[str, Any]:
        """Return the client's properties."""
        level = self.compression_params.level
        if level == -1 and self.compression == "zstd":
            level = 1
        largest = max(self.max_message_bytes, 1_000_000)
        return {
            "message.max.bytes": largest,
            "batch.size": largest,
            "acks": self.required_acks,
            "enable.idempotence": self.required_acks == "all",
            "compression.type": self.compression,
            **({"compression.level": level} if level != -1 else {}),
            **({"batch.num.messages": self.flush_max_messages} if self.flush_max_messages else {}),
            "allow.auto.create.topics": self.allow_auto_topic_creation,
            "linger.ms": self.linger * 1000,
        }


class StickyKey(ConfigModel):
    """`record_partitioner.sticky_key`."""

    hasher: Literal["sarama_compat", "murmur2"] = "sarama_compat"
    """`sarama_compat` is FNV-1a; Java's clients and aiokafka use `murmur2`."""


class RecordPartitioner(ConfigModel):
    """`record_partitioner`: how a key chooses its partition; records without a key go anywhere."""

    sticky_key: StickyKey = StickyKey()

    @property
    def partitioner(self) -> str:
        """The client library's name of it."""
        return "fnv1a_random" if self.sticky_key.hasher == "sarama_compat" else "murmur2_random"


class KafkaConfig(ExporterConfig, ClientConfig):
    """`kafka`."""

    traces: SignalConfig = SignalConfig()
    metrics: SignalConfig = SignalConfig()
    logs: SignalConfig = SignalConfig()
    topic_from_attribute: str = ""
    """Resource attribute whose value is the topic, where it is there; metadata goes before it."""
    include_metadata_keys: tuple[str, ...] = ()
    """Client metadata that goes along as headers."""
    record_headers: dict[str, str] = Field(default_factory=dict)
    """Headers of every record."""
    partition_traces_by_id: bool = False
    """One record a trace, with the trace id in hex as its key."""
    partition_metrics_by_resource_attributes: bool = False
    """One record a resource, with a hash of its attributes as its key."""
    partition_logs_by_resource_attributes: bool = False
    """One record a resource, with a hash of its attributes as its key."""
    partition_logs_by_trace_id: bool = False
    """One record a trace id, with it in hex as the key; log records without one have no key."""
    record_partitioner: RecordPartitioner = RecordPartitioner()
    producer: ProducerConfig = ProducerConfig()

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        for signal in Signal:
            ways = self.partition_ways(signal)
            if len(ways) > 1:
                raise ValueError(f"{' and '.join(ways)} exclude each other: a record has one key")
        return self

    def partition_ways(self, signal: Signal) -> list[str]:
        """Return the names of the keys that say what the records of a signal are keyed by."""
        flags = [name for name in type(self).model_fields if name.startswith(f"partition_{signal}_")]
        ways = [name for name in flags if getattr(self, name)]
        return [
            *ways,
            *([f"{signal}.message_key_from_metadata_key"] if self.of(signal).message_key_from_metadata_key else []),
        ]

    @property
    def parting_keys(self) -> frozenset[str]:
        """Client metadata that decides about topic, key or headers, beside what the user names."""
        blocks = [self.of(signal) for signal in Signal]
        keys = [key for each in blocks for key in (each.topic_from_metadata_key, each.message_key_from_metadata_key)]
        return super().parting_keys | {key.lower() for key in (*keys, *self.include_metadata_keys) if key}

    def of(self, signal: Signal) -> SignalConfig:
        """Return the block of a signal."""
        block: SignalConfig = getattr(self, signal.value)
        return block

    def topic(self, signal: Signal) -> str:
        """Return where a signal goes by default."""
        return self.of(signal).topic or _TOPICS[signal]

    def properties(self, log: Logger | None) -> dict[str, Any]:
        """Return everything for the client library."""
        retry = self.retry_on_failure
        patience = retry.max_elapsed_time if retry.enabled else self._only_attempt()
        return {
            **super().properties(log),
            **self.producer.properties(),
            "partitioner": self.record_partitioner.partitioner,
            "message.timeout.ms": int(patience * 1000),
            **self.librdkafka,
        }

    def _only_attempt(self) -> float:
        """Return when the library gives a record up, so that its word comes before the one attempt's time is over.

        A record still under way then would be a dead letter, and might arrive as well.
        """
        return max(self.timeout * 0.9 - _LOOKS, self.timeout * 0.4)


_TOPICS = {Signal.TRACES: "otlp_spans", Signal.METRICS: "otlp_metrics", Signal.LOGS: "otlp_logs"}
