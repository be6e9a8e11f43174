"""The exporter against a real broker, read back with another client."""

import asyncio

import pytest
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Batch, Context, Delivery, Fatal, Permanent, Retryable, Signal
from collector.testing import RecordingMetrics, sample_batch, sample_request
from collector.wire.codec import codec
from exporters.kafka.metrics import BYTES, LATENCY, RECORDS
from tests.live.certificates import Authority
from tests.live.kafka.broker import free_ports
from tests.live.kafka.exporting import QUIET, exporter
from tests.live.kafka.other_client import ends, read, write


def _delivery(batch, token="t1"):
    return Delivery(batch, token)


async def _persistently(kafka, delivery):
    """Push as a runner does: again, until the broker has it."""
    while True:
        try:
            return await kafka.push(delivery)
        except Retryable:
            continue


async def _records(address, topic, count, **options):
    return await asyncio.to_thread(read, address, topic, count, **options)


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
async def test_each_signal_in_each_encoding_is_read_back_by_another_client(broker, topic, signal, encoding):
    async with exporter(broker.address, **{signal.value: {"topic": topic, "encoding": encoding}}) as kafka:
        await kafka.push(_delivery(sample_batch(signal, 5)))
    (record,) = await _records(broker.address, topic, 1)
    request = sample_request(signal, 5)
    assert record.value == (request if encoding == "otlp_proto" else codec().to_json(signal, request))
    assert (record.key, record.headers) == (None, [("signal", signal.value.encode()), ("token", b"t1")])


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_every_compression_is_understood_by_another_client(broker, topic, compression):
    async with exporter(
        broker.address, traces={"topic": topic}, producer={"compression": compression, **QUIET}
    ) as kafka:
        await kafka.push(_delivery(sample_batch(Signal.TRACES, 50)))
    (record,) = await _records(broker.address, topic, 1)
    assert record.value == sample_request(Signal.TRACES, 50)


@pytest.mark.parametrize(
    ("signal", "config", "keys"),
    [
        pytest.param(
            Signal.TRACES, {"partition_traces_by_id": True}, [b"%032x" % n for n in (1, 2)], id="traces by id"
        ),
        pytest.param(
            Signal.LOGS, {"partition_logs_by_trace_id": True}, [b"%032x" % n for n in (1, 2)], id="logs by id"
        ),
        pytest.param(Signal.LOGS, {"partition_logs_by_resource_attributes": True}, [16], id="logs by resource"),
        pytest.param(
            Signal.METRICS, {"partition_metrics_by_resource_attributes": True}, [16], id="metrics by resource"
        ),
    ],
)
async def test_every_way_to_key_is_read_back(broker, make_topic, signal, config, keys):
    name = make_topic(partitions=3)
    async with exporter(broker.address, **{signal.value: {"topic": name}}, **config) as kafka:
        await kafka.push(_delivery(sample_batch(signal, 8)))
    records = await _records(broker.address, name, len(keys))
    found = sorted(record.key for record in records)
    assert found == keys if isinstance(keys[0], bytes) else [len(key) for key in found] == keys
    rows = codec().decode(signal, [record.value for record in sorted(records, key=lambda record: record.key)])
    assert rows.to_pylist() == sample_batch(signal, 8).columns.to_pylist()


async def test_metadata_and_configuration_give_topic_key_and_headers(broker, topic):
    context = Context(metadata={"tenant": (topic,), "user": ("u7",), "plan": ("gold", "new")})
    batch = Batch(Signal.LOGS, codec(), requests=(sample_request(Signal.LOGS),), items=3, context=context)
    config = {
        "logs": {"topic_from_metadata_key": "tenant", "message_key_from_metadata_key": "user"},
        "record_headers": {"site": "eu"},
        "include_metadata_keys": ["Plan"],
    }
    async with exporter(broker.address, **config) as kafka:
        await kafka.push(_delivery(batch))
    (record,) = await _records(broker.address, topic, 1)
    headers = [("site", b"eu"), ("Plan", b"gold"), ("Plan", b"new"), ("signal", b"logs"), ("token", b"t1")]
    assert (record.key, record.headers) == (b"u7", headers)


async def test_murmur2_finds_the_partition_of_a_key_that_other_clients_choose(broker, make_topic):
    name = make_topic(partitions=7)
    config = {
        "traces": {"topic": name},
        "partition_traces_by_id": True,
        "record_partitioner": {"sticky_key": {"hasher": "murmur2"}},
    }
    async with exporter(broker.address, **config) as kafka:
        await kafka.push(_delivery(sample_batch(Signal.TRACES, 40)))
    ours = {record.key: record.partition for record in await _records(broker.address, name, 10)}
    for key in ours:
        await asyncio.to_thread(write, broker.address, name, [b"theirs"], key=key)
    both = await _records(broker.address, name, 20)
    assert {record.key: record.partition for record in both if record.value == b"theirs"} == ours


async def test_a_request_over_the_limit_arrives_in_parts_and_an_item_over_it_is_refused_by_name(broker, topic):
    async with exporter(
        broker.address, traces={"topic": topic}, producer={"max_message_bytes": 20_000, **QUIET}
    ) as kafka:
        large = sample_batch(Signal.TRACES, 200)
        await kafka.push(_delivery(large))
        written = sum((await asyncio.to_thread(ends, broker.address, topic)).values())
        records = await _records(broker.address, topic, written)
        assert max(len(record.value) for record in records) <= 20_000
        assert codec().decode(Signal.TRACES, [r.value for r in records]).to_pylist() == large.columns.to_pylist()

        request = ExportTraceServiceRequest.FromString(sample_request(Signal.TRACES, 3))
        span = request.resource_spans[0].scope_spans[0].spans[1]
        span.name = "x" * 30_000
        batch = Batch(Signal.TRACES, codec(), requests=(request.SerializeToString(),), items=3)
        with pytest.raises(Permanent, match=r"span 0000000000000002 of trace 0{31}1 has") as refused:
            await kafka.push(_delivery(batch, "t2"))
        assert (refused.value.rows, refused.value.kind) == ([1], "message_too_large")
    assert sum((await asyncio.to_thread(ends, broker.address, topic)).values()) == written


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
async def test_a_broker_with_a_lower_limit_gets_smaller_records(broker, make_topic, encoding):
    name = make_topic(max_message_bytes="6000")
    large = sample_batch(Signal.TRACES, 100)
    config = {"traces": {"topic": name, "encoding": encoding}, "producer": {"compression": "none", **QUIET}}
    async with exporter(broker.address, **config) as kafka:
        delivery = _delivery(large)
        await kafka.push(delivery)
        await kafka.push(delivery)
    written = sum((await asyncio.to_thread(ends, broker.address, name)).values())
    values = [record.value for record in await _records(broker.address, name, written)]
    if encoding == "otlp_json":
        values = [codec().twin.json_to_proto(Signal.TRACES, value, codec().limits) for value in values]
    assert sorted(map(str, codec().decode(Signal.TRACES, values).to_pylist())) == sorted(
        map(str, large.columns.to_pylist())
    )


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
async def test_an_item_over_a_brokers_lower_limit_is_named_and_the_rest_is_stored(broker, make_topic, encoding):
    name = make_topic(max_message_bytes="6000")
    request = ExportTraceServiceRequest.FromString(sample_request(Signal.TRACES, 100))
    request.resource_spans[0].scope_spans[0].spans[37].name = "x" * 8000
    batch = Batch(Signal.TRACES, codec(), requests=(request.SerializeToString(),), items=100)
    config = {"traces": {"topic": name, "encoding": encoding}, "producer": {"compression": "none", **QUIET}}
    async with exporter(broker.address, **config) as kafka:
        delivery = _delivery(batch)
        for _ in range(2):
            with pytest.raises(Permanent) as refused:
                await kafka.push(delivery)
            told = (refused.value.rows, refused.value.kind, refused.value.rest_stored)
            assert told == ([37], "message_too_large", True)
    written = sum((await asyncio.to_thread(ends, broker.address, name)).values())
    values = [record.value for record in await _records(broker.address, name, written)]
    if encoding == "otlp_json":
        values = [codec().twin.json_to_proto(Signal.TRACES, value, codec().limits) for value in values]
    rest = [row for number, row in enumerate(batch.columns.to_pylist()) if number != 37]
    assert sorted(map(str, codec().decode(Signal.TRACES, values).to_pylist())) == sorted(map(str, rest))


async def test_rows_of_a_record_that_a_topic_refuses_are_named_where_other_topics_have_theirs(broker, make_topic):
    takes, refuses = make_topic(), make_topic(cleanup_policy="compact")
    request = ExportTraceServiceRequest()
    for topic in (refuses, takes, refuses):
        one = ExportTraceServiceRequest.FromString(sample_request(Signal.TRACES, 2)).resource_spans[0]
        one.resource.attributes.add(key="topic").value.string_value = topic
        request.resource_spans.append(one)
    batch = Batch(Signal.TRACES, codec(), requests=(request.SerializeToString(),), items=6)
    async with exporter(broker.address, topic_from_attribute="topic") as kafka:
        with pytest.raises(Permanent, match=f"{refuses}: ") as refused:
            await kafka.push(_delivery(batch))
    told = (refused.value.rows, refused.value.kind, refused.value.rest_stored)
    assert told == ([0, 1, 4, 5], "kafka_invalid_record", True)
    assert await asyncio.to_thread(ends, broker.address, takes) == {0: 1}


async def test_what_a_cut_off_attempt_left_under_way_is_not_sent_again_by_the_next(broker, proxy, topic):
    async with exporter(broker.behind_proxy, traces={"topic": topic}) as kafka:
        await kafka.push(_delivery(sample_batch(Signal.TRACES), "before"))
        delivery = _delivery(sample_batch(Signal.TRACES, 4))
        proxy.block()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await kafka.push(delivery)
        proxy.cut()
        proxy.unblock()
        await kafka.push(delivery)
        assert delivery.done == {"0"}
    assert await asyncio.to_thread(ends, broker.address, topic) == {0: 2}


async def test_a_killed_and_restarted_broker_loses_and_doubles_nothing(broker, make_topic):
    name = make_topic()
    deliveries = [_delivery(sample_batch(Signal.TRACES, 1 + number % 5), f"t{number}") for number in range(60)]
    async with exporter(broker.address, traces={"topic": name}) as kafka, asyncio.TaskGroup() as tasks:
        for number, delivery in enumerate(deliveries):
            tasks.create_task(_persistently(kafka, delivery))
            if number == 30:
                await _persistently(kafka, deliveries[0])
                await asyncio.to_thread(broker.kill)
                restarted = tasks.create_task(asyncio.to_thread(broker.start))
        await restarted
    tokens = [dict(record.headers)["token"].decode() for record in await _records(broker.address, name, 60)]
    assert sorted(tokens) == sorted(delivery.token for delivery in deliveries)
    assert await asyncio.to_thread(ends, broker.address, name) == {0: 60}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_signing_in_works_and_a_wrong_password_is_an_operators_matter(broker, topic, mechanism):
    if mechanism.startswith("SCRAM"):
        number = ScramMechanism.SCRAM_SHA_256 if mechanism.endswith("256") else ScramMechanism.SCRAM_SHA_512
        user = UserScramCredentialUpsertion("ottery", ScramCredentialInfo(number, 4096), b"secret")
        admin = broker.admin()
        admin.alter_user_scram_credentials([user])["ottery"].result(20)
    auth = {"sasl": {"mechanism": mechanism, "username": "ottery", "password": "secret"}}
    async with exporter(broker.sasl, auth=auth, traces={"topic": topic}) as kafka:
        await kafka.push(_delivery(sample_batch(Signal.TRACES)))
    auth["sasl"]["password"] = "wrong"
    async with exporter(broker.sasl, auth=auth, timeout="2s", traces={"topic": topic}) as kafka:
        with pytest.raises(Fatal, match=f"{broker.sasl}: .*[Aa]uthentication"):
            await kafka.push(_delivery(sample_batch(Signal.TRACES)))
    assert await asyncio.to_thread(ends, broker.address, topic) == {0: 1}


async def test_mutual_tls_works_and_a_stranger_is_not_believed(broker, topic, tmp_path):
    ours = {"ca_file": str(broker.authority.ca), **broker.authority.pair("ottery")}
    async with exporter(broker.tls, tls=ours, traces={"topic": topic}) as kafka:
        await kafka.push(_delivery(sample_batch(Signal.TRACES)))
    assert await asyncio.to_thread(ends, broker.address, topic) == {0: 1}
    strange = {**ours, "ca_file": str(Authority(tmp_path, "stranger").ca)}
    async with exporter(broker.tls, tls=strange, timeout="2s", traces={"topic": topic}) as kafka:
        with pytest.raises(Fatal, match="certificate verify failed"):
            await kafka.push(_delivery(sample_batch(Signal.TRACES)))
    assert await asyncio.to_thread(ends, broker.address, topic) == {0: 1}


async def test_a_broker_that_does_not_answer_is_named(broker, topic):
    (nowhere,) = free_ports(1)
    async with exporter(f"127.0.0.1:{nowhere}", timeout="1s", traces={"topic": topic}) as kafka:
        with pytest.raises(Retryable, match=f"127.0.0.1:{nowhere}: .*[Cc]onnect"):
            await kafka.push(_delivery(sample_batch(Signal.TRACES)))


async def test_a_missing_topic_is_an_operators_matter(broker):
    config = {
        "traces": {"topic": "no such topic"},
        "librdkafka": {"topic.metadata.propagation.max.ms": 1000},
    }
    async with exporter(broker.address, **config) as kafka:
        with pytest.raises(Fatal, match="no such topic: "):
            await kafka.push(_delivery(sample_batch(Signal.TRACES)))


async def test_a_property_that_the_library_does_not_know_stops_the_start(broker):
    with pytest.raises(Fatal, match=r"the Kafka client cannot be set up: No such configuration property: \"nonsense\""):
        async with exporter(broker.address, librdkafka={"nonsense": 1}):
            pass


async def test_records_bytes_and_latency_are_counted(broker, topic):
    metrics = RecordingMetrics()
    async with exporter(broker.address, recorded=metrics, traces={"topic": topic}) as kafka:
        await kafka.push(_delivery(sample_batch(Signal.TRACES, 2)))
    assert metrics.value(RECORDS, exporter="kafka", topic=topic, outcome="success") == 1
    assert metrics.value(BYTES, exporter="kafka", topic=topic) == len(sample_request(Signal.TRACES, 2))
    (latency,) = metrics.observations(LATENCY, exporter="kafka")
    assert 0 < latency < 10
