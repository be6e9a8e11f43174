"""The receiver against a real broker: what it reads, when offsets move, what becomes of what nobody can read."""

import asyncio
import json
import uuid

import pytest

from collector.api import Overloaded, Signal
from collector.testing import RecordingConsumer, sample_request
from collector.wire.codec import codec
from tests.live.kafka.consumers import committed, new_group, receiving, until_committed
from tests.live.kafka.other_client import read, write


def _json(signal, items):
    return codec().to_json(signal, sample_request(signal, items))


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
async def test_each_signal_arrives_in_each_encoding(broker, topic, signal, encoding):
    value = sample_request(signal, 4) if encoding == "otlp_proto" else _json(signal, 4)
    await asyncio.to_thread(write, broker.address, topic, [value])
    async with receiving(broker.address, **{signal.value: {"topics": [topic], "encoding": encoding}}) as consumers:
        await consumers[signal].arrived(4)
    (batch,) = consumers[signal].batches
    assert batch.otlp == sample_request(signal, 4)
    assert batch.context.metadata == {"kafka.topic": (topic,), "kafka.partition": ("0",)}


@pytest.mark.parametrize(
    ("encoding", "value", "body"),
    [
        pytest.param("raw", b"\xff\x00", {"bytesValue": "/wA="}, id="raw"),
        pytest.param("text", "sm\u00f8r".encode(), {"stringValue": "sm\u00f8r"}, id="text"),
        pytest.param(
            "json",
            b'{"a": [1, 2.5, true, null, "x"]}',
            {
                "kvlistValue": {
                    "values": [
                        {
                            "key": "a",
                            "value": {
                                "arrayValue": {
                                    "values": [
                                        {"intValue": "1"},
                                        {"doubleValue": 2.5},
                                        {"boolValue": True},
                                        {},
                                        {"stringValue": "x"},
                                    ]
                                }
                            },
                        }
                    ]
                }
            },
            id="json",
        ),
    ],
)
async def test_plain_records_become_log_records(broker, topic, encoding, value, body):
    await asyncio.to_thread(write, broker.address, topic, [value], timestamp_ms=1_767_225_600_000)
    async with receiving(broker.address, logs={"topics": [topic], "encoding": encoding}) as consumers:
        await consumers[Signal.LOGS].arrived(1)
    document = json.loads(codec().to_json(Signal.LOGS, consumers[Signal.LOGS].batches[0].otlp))
    (record,) = document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert record == {"body": body, "observedTimeUnixNano": "1767225600000000000"}


async def test_records_that_come_together_travel_together_as_the_bytes_they_are(broker, topic):
    requests = [sample_request(Signal.TRACES, number) for number in (1, 2, 3)]
    await asyncio.to_thread(write, broker.address, topic, requests)
    async with receiving(broker.address, traces={"topics": [topic]}) as consumers:
        await consumers[Signal.TRACES].arrived(6)
    assert b"".join(batch.otlp for batch in consumers[Signal.TRACES].batches) == b"".join(requests)


async def test_headers_become_resource_attributes(broker, topic):
    write_it = [(broker.address, topic, [sample_request(Signal.TRACES, 2)])]
    await asyncio.to_thread(write, *write_it[0], headers=[("team", b"a"), ("other", b"b")])
    extraction = {"extract_headers": True, "headers": ["team"]}
    async with receiving(broker.address, traces={"topics": [topic]}, header_extraction=extraction) as consumers:
        await consumers[Signal.TRACES].arrived(2)
    rows = consumers[Signal.TRACES].batches[0].columns.to_pylist()
    assert [[(a["key"], a["value"]) for a in row["resource"]["attributes"]] for row in rows] == [
        [("service.name", "shop"), ("kafka.header.team", "a")]
    ] * 2


async def test_topics_are_found_by_pattern_and_left_out_by_pattern(broker, make_topic):
    prefix = f"pattern{uuid.uuid4().hex[:6]}"
    wanted, unwanted = make_topic(prefix=f"{prefix}.a"), make_topic(prefix=f"{prefix}.b")
    for name in (unwanted, wanted):
        await asyncio.to_thread(write, broker.address, name, [sample_request(Signal.TRACES, 1)])
    pattern = {"topics": [f"^{prefix}.*"], "exclude_topics": [rf"^{prefix}\.b.*"]}
    async with receiving(broker.address, traces=pattern) as consumers:
        await consumers[Signal.TRACES].arrived(1)
    assert [batch.context.metadata["kafka.topic"] for batch in consumers[Signal.TRACES].batches] == [(wanted,)]


async def test_a_topic_that_one_signal_excludes_is_read_for_another_and_one_that_all_exclude_for_none(
    broker, make_topic
):
    prefix = f"signals{uuid.uuid4().hex[:6]}"
    traces, unwanted, logs = (make_topic(prefix=f"{prefix}.{name}") for name in ("traces", "xx", "logs"))
    for name, signal in ((unwanted, Signal.LOGS), (traces, Signal.TRACES), (logs, Signal.LOGS)):
        await asyncio.to_thread(write, broker.address, name, [sample_request(signal, 2)])
    excluded = [f"^{traces}$", rf"^{prefix}\.x{{1,2}}-"]
    config = {"logs": {"topics": [rf"^{prefix}\..*"], "exclude_topics": excluded}, "traces": {"topics": [traces]}}
    async with receiving(broker.address, **config) as consumers:
        await consumers[Signal.TRACES].arrived(2)
        await consumers[Signal.LOGS].arrived(2)
        await asyncio.to_thread(write, broker.address, unwanted, [sample_request(Signal.LOGS, 1)])
        await asyncio.to_thread(write, broker.address, logs, [sample_request(Signal.LOGS, 3)])
        await consumers[Signal.LOGS].arrived(5)
    read_from = {batch.context.metadata["kafka.topic"] for batch in consumers[Signal.LOGS].batches}
    assert (read_from, consumers[Signal.LOGS].items) == ({(logs,)}, 5)


async def test_an_offset_moves_only_when_its_records_are_taken_and_the_cut_is_written_down_before(broker, topic):
    group = new_group()
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 1)] * 3)
    consumer, gate, seen = RecordingConsumer(), asyncio.Event(), asyncio.Event()

    async def slow(batch):
        seen.set()
        await gate.wait()
        await consumer(batch)

    async with receiving(broker.address, group=group, consumers={Signal.TRACES: slow}, traces={"topics": [topic]}):
        await seen.wait()
        assert await asyncio.to_thread(committed, broker.address, group, topic) == (0, "ottery/1 3")
        gate.set()
        await until_committed(broker.address, group, topic, 3)
    assert consumer.items == 3


async def test_what_was_under_way_when_a_consumer_vanished_comes_again_in_the_same_cut(broker, topic):
    group = new_group()
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 1)] * 3)
    names, seen = [], asyncio.Event()

    async def never(batch):
        names.append(str(batch.context.origin))
        seen.set()
        await asyncio.Event().wait()

    async with receiving(broker.address, group=group, consumers={Signal.TRACES: never}, traces={"topics": [topic]}):
        await seen.wait()
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 1)] * 4)
    async with receiving(broker.address, group=group, traces={"topics": [topic]}) as consumers:
        await consumers[Signal.TRACES].arrived(7)
    again = consumers[Signal.TRACES].batches
    assert (str(again[0].context.origin), again[0].items) == (names[0], 3)
    assert [batch.items for batch in again[1:]] == [4]


async def test_a_pipeline_that_is_full_gets_the_same_batch_until_it_takes_it(broker, topic):
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 2)])
    consumer = RecordingConsumer([Overloaded("full", retry_after=0.01)] * 3)
    async with receiving(broker.address, consumers={Signal.TRACES: consumer}, traces={"topics": [topic]}):
        await consumer.arrived(2)
    assert [batch.items for batch in consumer.batches] == [2]


async def test_poison_goes_to_the_dead_letters_with_the_reason_and_the_rest_goes_on(broker, topic):
    group = new_group()
    good = sample_request(Signal.TRACES, 1)
    values = [good, b"\xff\xff\xff", good, b"{", good]
    await asyncio.to_thread(write, broker.address, topic, values, key=b"k", headers=[("site", b"eu")])
    async with receiving(broker.address, group=group, traces={"topics": [topic]}) as consumers:
        await consumers[Signal.TRACES].arrived(3)
        await until_committed(broker.address, group, topic, 5)
        letters = await asyncio.to_thread(read, broker.address, f"{topic}.dlq", 2)
    assert [(letter.key, letter.value) for letter in letters] == [(b"k", b"\xff\xff\xff"), (b"k", b"{")]
    headers = [dict(letter.headers) for letter in letters]
    for told, offset in zip(headers, (b"1", b"3"), strict=True):
        assert told.pop("dlq_reason")
        assert int(told.pop("dlq_timestamp")) > 1_700_000_000_000
        assert told == {
            "site": b"eu",
            "dlq_step": b"decode",
            "dlq_topic": topic.encode(),
            "dlq_partition": b"0",
            "dlq_offset": offset,
            "dlq_last_offset": offset,
            "attempt": b"0",
            "signal": b"traces",
            "encoding": b"otlp_proto",
        }
