"""What the Kafka exporter counts, under contrib's names where it has them."""

from collector.api import Metric

RECORDS = Metric(
    "otelcol_kafka_exporter_records",
    "counter",
    ("exporter", "topic", "outcome"),
    "Records by what the brokers said: success or failure; a failed one is sent again, or taken apart where it is refused.",
)
BYTES = Metric(
    "otelcol_kafka_exporter_bytes_uncompressed",
    "counter",
    ("exporter", "topic"),
    "Bytes of records before compression.",
)
LATENCY = Metric(
    "otelcol_kafka_exporter_write_latency_seconds",
    "histogram",
    ("exporter",),
    "Seconds from handing a record over until the brokers have it.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
