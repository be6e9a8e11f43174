from collector.api import Signal
from collector.receivers.kafka.config import KafkaReceiverConfig
from collector.receivers.kafka.cuts import Place
from collector.receivers.kafka.letters import Poison, Refused, Source, records
from collector.receivers.kafka.topics import Kind, Topics
from collector.testing import SAMPLE_TIME, sample_batch

TOPICS = Topics(KafkaReceiverConfig(), frozenset(Signal))
FRESH = Kind("otlp_spans", Signal.TRACES, "otlp_proto")
OLD = Kind("otlp_spans", Signal.TRACES, "otlp_proto", level=3)
SOURCE = Source(Place("otlp_spans", 1), 7, 9, 0)


def _refused(kind=FRESH, row=0, reason="no", exporter="e"):
    return Refused(kind, SOURCE, sample_batch(Signal.TRACES, 3).slice(row, 1), exporter, reason)


def test_rows_with_one_reason_share_a_record():
    (record,) = records([_refused(row=0), _refused(row=2)], TOPICS, SAMPLE_TIME)
    batch = sample_batch(Signal.TRACES, 3)
    assert (record.topic, record.key) == ("otlp_spans.retry.30s", None)
    assert record.value == batch.slice(0, 1).otlp + batch.slice(2, 1).otlp
    assert dict(record.headers) == {
        "original_topic": b"otlp_spans",
        "original_partition": b"1",
        "original_offset": b"7",
        "original_last_offset": b"9",
        "attempt": b"1",
        "retry_at": str(SAMPLE_TIME // 1_000_000 + 30_000).encode(),
        "error": b"no",
        "exporter": b"e",
        "signal": b"traces",
    }


def test_rows_with_other_reasons_or_exporters_have_records_of_their_own():
    letters = [_refused(), _refused(reason="never"), _refused(exporter="f")]
    found = [dict(record.headers) for record in records(letters, TOPICS, SAMPLE_TIME)]
    assert [(told["exporter"], told["error"]) for told in found] == [(b"e", b"no"), (b"e", b"never"), (b"f", b"no")]


def test_after_the_last_retry_rows_end_with_the_dead_letters():
    (record,) = records([_refused(OLD, reason="x" * 1000)], TOPICS, SAMPLE_TIME)
    assert record.topic == "otlp_spans.dlq"
    assert dict(record.headers)["dlq_reason"] == b"x" * 256


def test_poison_ends_there_at_once_with_key_value_and_headers_as_they_came():
    poison = Poison(FRESH, SOURCE, b"k", b"\xff", [("site", b"eu")], "bad bytes")
    (record,) = records([poison], TOPICS, SAMPLE_TIME)
    assert (record.topic, record.key, record.value) == ("otlp_spans.dlq", b"k", b"\xff")
    assert record.headers[0] == ("site", b"eu")
    assert dict(record.headers)["dlq_step"] == b"decode"
