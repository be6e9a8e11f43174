import pyarrow as pa
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collector.api import Batch, Context, Permanent, Signal
from collector.testing import sample_batch
from collector.wire.codec import codec
from exporters.kafka.config import KafkaConfig
from exporters.kafka.route import Router


def _parts(batch, **config):
    return list(Router(KafkaConfig.model_validate(config)).parts(batch))


def _with_metadata(batch, **metadata):
    context = Context(metadata={key: (value,) for key, value in metadata.items()})
    return Batch(batch.signal, batch.codec, requests=batch.requests, items=batch.items, context=context)


def _logs(*resources):
    """One log record for each resource, given as {key: value}."""
    request = ExportLogsServiceRequest()
    for number, attributes in enumerate(resources):
        envelope = request.resource_logs.add()
        envelope.resource.attributes.extend(
            KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()
        )
        envelope.scope_logs.add().log_records.add(body=AnyValue(string_value=str(number)))
    return Batch(Signal.LOGS, codec(), requests=(request.SerializeToString(),), items=len(resources))


def _bodies(part):
    return part.batch.columns["body"].to_pylist()


@pytest.mark.parametrize(
    ("config", "metadata", "expected"),
    [
        pytest.param({}, {}, ("otlp_spans", None), id="default"),
        pytest.param({"traces": {"topic": "t"}}, {}, ("t", None), id="configured"),
        pytest.param(
            {"traces": {"topic_from_metadata_key": "X-Tenant"}}, {"x-tenant": "a"}, ("a", None), id="from metadata"
        ),
        pytest.param(
            {"traces": {"topic_from_metadata_key": "x-tenant"}}, {}, ("otlp_spans", None), id="metadata missing"
        ),
        pytest.param(
            {"traces": {"message_key_from_metadata_key": "user"}}, {"user": "u1"}, ("otlp_spans", b"u1"), id="key"
        ),
        pytest.param({"traces": {"message_key_from_metadata_key": "user"}}, {}, ("otlp_spans", None), id="key missing"),
        pytest.param(
            {"traces": {"topic_from_metadata_key": "t"}, "topic_from_attribute": "service.name"},
            {"t": "meta"},
            ("meta", None),
            id="metadata before attribute",
        ),
        pytest.param({"topic_from_attribute": "service.name"}, {}, ("shop", None), id="from attribute"),
    ],
)
def test_topic_and_key_come_from_the_first_place_that_has_them(config, metadata, expected):
    batch = _with_metadata(sample_batch(Signal.TRACES), **metadata)
    (part,) = _parts(batch, **config)
    assert (part.topic, part.key) == expected
    assert part.batch is batch


def test_each_value_of_the_topic_attribute_gets_its_own_rows():
    batch = _logs({"t": "a"}, {"t": "b"}, {"u": "x"}, {"t": "a"})
    parts = _parts(batch, topic_from_attribute="t")
    assert [(part.topic, _bodies(part), part.rows.to_pylist()) for part in parts] == [
        ("a", ["0", "3"], [0, 3]),
        ("b", ["1"], [1]),
        ("otlp_logs", ["2"], [2]),
    ]


def test_a_topic_that_cannot_exist_is_refused():
    with pytest.raises(Permanent, match=r"'\.\./etc' cannot be the name of a topic"):
        _parts(_logs({"t": "../etc"}), topic_from_attribute="t")


def test_traces_are_keyed_by_their_id_in_hex_one_part_each():
    batch = sample_batch(Signal.TRACES, 10)
    parts = _parts(batch, partition_traces_by_id=True)
    assert [(part.key, part.rows.to_pylist()) for part in parts] == [
        (b"%032x" % 1, [0, 1, 2, 3]),
        (b"%032x" % 2, [4, 5, 6, 7]),
        (b"%032x" % 3, [8, 9]),
    ]
    rejoined = pa.Table.from_batches([part.batch.columns for part in parts]).to_pylist()
    assert rejoined == batch.columns.to_pylist()


def test_logs_without_a_trace_have_no_key():
    (part,) = _parts(_logs({"a": "1"}, {"a": "2"}), partition_logs_by_trace_id=True)
    assert part.key is None


@pytest.mark.parametrize(
    ("resources", "groups"),
    [
        pytest.param([{"a": "1"}, {"a": "2"}, {"a": "1"}], [[0, 2], [1]], id="equal attributes"),
        pytest.param([{"a": "1", "b": "2"}, {"b": "2", "a": "1"}], [None], id="order does not matter"),
    ],
)
def test_resources_are_keyed_by_what_their_attributes_say(resources, groups):
    parts = _parts(_logs(*resources), partition_logs_by_resource_attributes=True)
    assert [part.rows and part.rows.to_pylist() for part in parts] == groups
    assert [len(part.key) for part in parts] == [16] * len(groups)
    assert len({part.key for part in parts}) == len(groups)


def test_rows_of_a_part_are_told_by_their_numbers_in_the_batch():
    parts = _parts(_logs({"t": "a"}, {"t": "b"}, {"t": "a"}), topic_from_attribute="t")
    assert [part.numbers([0]) for part in parts] == [[0], [1]]
    assert parts[0].numbers([1]) == [2]
