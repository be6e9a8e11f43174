import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from collector.api import Permanent, Retryable, Signal
from exporters.otlp.answers import RESPONSES, of_grpc, of_http, partial_success

CODE = grpc.StatusCode


def _error(code, details="", trailers=()):
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details=details)


def _retry_info(seconds: int):
    detail = AnyMessage()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds, nanos=500_000_000)))
    return ("grpc-status-details-bin", status_pb2.Status(details=[detail]).SerializeToString())


@pytest.mark.parametrize(
    "code",
    [
        CODE.CANCELLED,
        CODE.DEADLINE_EXCEEDED,
        CODE.ABORTED,
        CODE.OUT_OF_RANGE,
        CODE.UNAVAILABLE,
        CODE.DATA_LOSS,
    ],
    ids=lambda code: code.name,
)
def test_the_retryable_codes_of_the_specification_are_retried(code):
    found = of_grpc(_error(code, "busy"))
    assert (type(found), str(found), found.retry_after) == (Retryable, f"{code.name}: busy", None)


@pytest.mark.parametrize(
    ("code", "whole"),
    [
        pytest.param(CODE.INVALID_ARGUMENT, False, id="INVALID_ARGUMENT"),
        pytest.param(CODE.RESOURCE_EXHAUSTED, False, id="RESOURCE_EXHAUSTED without RetryInfo"),
        *(
            pytest.param(code, True, id=code.name)
            for code in (
                CODE.UNKNOWN,
                CODE.NOT_FOUND,
                CODE.ALREADY_EXISTS,
                CODE.PERMISSION_DENIED,
                CODE.UNAUTHENTICATED,
                CODE.FAILED_PRECONDITION,
                CODE.UNIMPLEMENTED,
                CODE.INTERNAL,
            )
        ),
    ],
)
def test_the_other_codes_are_final_and_only_those_about_rows_are_bisected(code, whole):
    found = of_grpc(_error(code))
    assert (type(found), found.whole) == (Permanent, whole)


def test_retry_info_makes_resource_exhausted_retryable_and_its_delay_is_kept():
    found = of_grpc(_error(CODE.RESOURCE_EXHAUSTED, "slow down", [_retry_info(3)]))
    assert (type(found), found.retry_after) == (Retryable, 3.5)


def test_unreadable_status_details_are_no_delay():
    found = of_grpc(_error(CODE.UNAVAILABLE, "x", [("grpc-status-details-bin", b"\xff")]))
    assert (type(found), found.retry_after) == (Retryable, None)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_exactly_four_http_statuses_are_retried(status):
    found = of_http(status, "7", b"busy", "text/plain")
    assert (type(found), found.retry_after, str(found)) == (Retryable, 7.0, f"HTTP {status}: busy")


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 413, 415, 500, 501, 505])
def test_every_other_http_status_is_final(status):
    found = of_http(status, "7", b"", "text/plain")
    assert (type(found), found.whole) == (Permanent, status not in (400, 413))


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", 0.0, id="a date that has passed"),
    ],
)
def test_retry_after_may_be_absent_or_strange(header, delay):
    assert of_http(503, header, b"", "").retry_after == delay


def test_the_message_of_a_protobuf_status_is_shown_on_one_line():
    body = status_pb2.Status(message="span 3:\nno name").SerializeToString()
    assert str(of_http(400, None, body, "application/x-protobuf")) == "HTTP 400: span 3: no name"


@pytest.mark.parametrize(
    ("signal", "field", "key"),
    [
        pytest.param(Signal.TRACES, "rejected_spans", "rejectedSpans", id="traces"),
        pytest.param(Signal.METRICS, "rejected_data_points", "rejectedDataPoints", id="metrics"),
        pytest.param(Signal.LOGS, "rejected_log_records", "rejectedLogRecords", id="logs"),
    ],
)
def test_partial_success_is_read_in_both_encodings(signal, field, key):
    response = RESPONSES[signal](partial_success={field: 4, "error_message": "too old"})
    text = f'{{"partialSuccess": {{"{key}": "4", "errorMessage": "too old"}}, "new": 1}}'
    assert partial_success(signal, response.SerializeToString()) == (4, "too old")
    assert partial_success(signal, text.encode(), json=True) == (4, "too old")


@pytest.mark.parametrize("json", [False, True], ids=["protobuf", "json"])
def test_an_unreadable_success_is_a_success(json):
    assert partial_success(Signal.TRACES, b"\xff\xff", json=json) == (0, "")
    assert partial_success(Signal.TRACES, b"", json=json) == (0, "")
