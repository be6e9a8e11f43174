"""What the Kafka receiver counts, under contrib's names where it has them."""

from collector.api import Metric, Signal

_PLACE = ("receiver", "topic", "partition")
_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

RECORDS = Metric("otelcol_kafka_receiver_records", "counter", _PLACE, "Records read.")
BYTES = Metric("otelcol_kafka_receiver_bytes_uncompressed", "counter", _PLACE, "Bytes of the values of records read.")
CURRENT_OFFSET = Metric(
    "otelcol_kafka_receiver_current_offset", "gauge", _PLACE, "Offset up to which a partition is delivered."
)
LAG = Metric(
    "otelcol_kafka_receiver_offset_lag",
    "gauge",
    _PLACE,
    "Records of a partition that are not delivered; a lag that grows for minutes asks for consumers or a faster sink.",
)
DELAY = Metric(
    "otelcol_kafka_receiver_records_delay_seconds",
    "histogram",
    ("receiver", "topic"),
    "Seconds from a record's time until it was delivered, for the first record of each batch.",
    _SECONDS,
)
STARTED = Metric("otelcol_kafka_receiver_partition_start", "counter", ("receiver",), "Partitions that came to us.")
CLOSED = Metric("otelcol_kafka_receiver_partition_close", "counter", ("receiver",), "Partitions that we gave back.")
UNMARSHAL_FAILED = {
    signal: Metric(
        f"otelcol_kafka_receiver_unmarshal_failed_{signal.items}",
        "counter",
        ("receiver",),
        "Records that are not what their topic's encoding says; each one is in the dead-letter topic.",
    )
    for signal in Signal
}
PAUSED = Metric(
    "ottery_kafka_paused",
    "gauge",
    _PLACE,
    "1 while a partition is paused because its records are taken more slowly than they come, else 0.",
)
LETTERS = Metric(
    "ottery_kafka_letters",
    "counter",
    ("receiver", "topic"),
    "Records written to a retry or dead-letter topic; those in a .dlq topic wait for a person.",
)
