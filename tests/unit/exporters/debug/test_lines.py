from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collector.api import Batch, Signal
from collector.testing import sample_batch
from collector.wire.codec import codec
from exporters.debug.lines import hexadecimal, lines

ATTRIBUTES = (
    'http.route=/orders/0 http.status=200 ratio=0 cached=true tags=["a",0] address={"city":"Bergen"} digest=AAAAAA=='
)
COMMAS = ATTRIBUTES.replace(" ", ",")


def test_a_span_is_a_line_of_name_ids_and_attributes():
    assert lines(sample_batch(Signal.TRACES, 1)).splitlines() == [
        "ResourceTraces #0 service.name=shop",
        "ScopeTraces #0 ottery.testing@1.0",
        f"GET /orders/0 00000000000000000000000000000001 0000000000000001 {ATTRIBUTES}",
    ]


def test_a_log_record_is_a_line_of_body_and_attributes():
    assert lines(sample_batch(Signal.LOGS, 1)).splitlines()[2] == f"order 0 placed {ATTRIBUTES}"


def test_a_data_point_is_a_line_of_name_attributes_and_value():
    said = lines(sample_batch(Signal.METRICS, 5)).splitlines()
    assert said[2] == f"shop.metric_0{{{COMMAS}}} 0"
    assert [line.rpartition("} ")[2] for line in said[3:]] == [
        "1",
        "count=3 sum=4.5 min=0.5 max=3 le1=1 le2=1 1",
        "count=4 sum=9 scale=1 zero=1 negative=[] positive=[2, 1]",
        "count=2 sum=3 q0.5=1.5",
    ]


def test_a_part_of_a_batch_prints_its_own_rows():
    whole, part = sample_batch(Signal.TRACES, 6), sample_batch(Signal.TRACES, 6).slice(2, 3)
    assert lines(part).splitlines()[2:] == lines(whole).splitlines()[4:7]


def test_ids_that_are_null_are_nothing():
    parents = sample_batch(Signal.TRACES, 6).columns.column("parent_span_id")
    expected = ["", "0000000000000001", "0000000000000002", "0000000000000003", "", "0000000000000005"]
    assert (hexadecimal(parents).to_pylist(), hexadecimal(parents.slice(3, 2)).to_pylist()) == (expected, expected[3:5])


def envelopes_of(*resources: tuple[str, ...]) -> Batch:
    """A resource for each argument, in it a scope for each name, in it one record."""
    request = ExportLogsServiceRequest()
    for scopes in resources:
        resource = request.resource_logs.add(schema_url="https://schema")
        resource.resource.attributes.add(key="n").value.string_value = scopes[0]
        for name in scopes:
            scope = resource.scope_logs.add()
            scope.scope.name = name
            scope.log_records.add(time_unix_nano=1).body.string_value = f"in {name}"
    items = sum(map(len, resources))
    return Batch(Signal.LOGS, codec(), requests=(request.SerializeToString(),), items=items)


def test_resources_and_scopes_are_numbered_as_they_came():
    assert lines(envelopes_of(("a", "b"), ("c",))).splitlines() == [
        "ResourceLogs #0 [https://schema] n=a",
        "ScopeLogs #0 a",
        "in a ",
        "ScopeLogs #1 b",
        "in b ",
        "ResourceLogs #1 [https://schema] n=c",
        "ScopeLogs #0 c",
        "in c ",
    ]


def test_a_record_stays_one_line_whatever_it_says():
    said = lines(envelopes_of(("a\nResourceLogs #7",)))
    assert len(said.splitlines()) == 3


def test_a_batch_without_rows_prints_nothing():
    assert lines(sample_batch(Signal.TRACES, 2).slice(0, 0)) == ""
