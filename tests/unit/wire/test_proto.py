"""Notices when opentelemetry-proto learns a field that the codecs do not know yet."""

from pathlib import Path

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

KNOWN = Path(__file__).parents[2] / "golden" / "otlp" / "fields.txt"
SERVICES = (trace_service_pb2, metrics_service_pb2, logs_service_pb2)


def fields(message, seen):
    """Yield a line for every field that can be reached from a message, each message once."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in sorted(message.fields, key=lambda field: field.number):
        many = "repeated " if field.is_repeated else ""
        kind = (
            field.message_type.full_name if field.message_type else field.enum_type.full_name if field.enum_type else ""
        )
        yield f"{message.full_name} {field.number} {field.name} {many}{kind or TYPES[field.type]}"
    for field in message.fields:
        if field.message_type:
            yield from fields(field.message_type, seen)


TYPES = {
    1: "double", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
    12: "bytes", 13: "uint32", 16: "sfixed64", 17: "sint32", 18: "sint64",
}  # fmt: skip


def test_the_codecs_know_every_field_of_the_installed_otlp():
    seen = set()
    lines = [
        line
        for service in SERVICES
        for name in sorted(service.DESCRIPTOR.message_types_by_name)
        for line in fields(service.DESCRIPTOR.message_types_by_name[name], seen)
    ]
    assert sorted(lines) == KNOWN.read_text().splitlines()
