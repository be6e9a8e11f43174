import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Signal
from collector.storage.clickhouse_columns import SHAPES
from collector.testing import SAMPLE_TIME, sample_batch
from collector.wire.clickhouse import COLUMNS, convert, parts
from collector.wire.codec import codec
from tests.contract.strategies import messages
from tests.oracles.clickhouse_rows import LATEST, expected, fitted

DAY = 86_400 * 10**9
TEXT_MAP = "Map(LowCardinality(String), String)"


def _layout(kind):
    """The columns of the current tables, as DESCRIBE would tell them."""
    layout = {}
    for column in SHAPES[kind].columns:
        name, _, rest = column.partition(" ")
        if name in SHAPES[kind].attributes:
            layout[name] = TEXT_MAP
        elif rest.startswith("Nested("):
            fields = rest.format(attributes=TEXT_MAP).removeprefix("Nested(").rpartition(") CODEC")[0]
            for field in _split(fields):
                inner, _, type_ = field.partition(" ")
                layout[f"{name}.{inner}"] = f"Array({type_})"
        else:
            layout[name] = rest.partition(" CODEC")[0]
    return layout


def _split(fields):
    depth, start = 0, 0
    for index, letter in enumerate(fields):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield fields[start:index].strip()
            start = index + 1
    yield fields[start:].strip()


def _plain(value):
    """What a table would give back for one cell."""
    if isinstance(value, pa.Scalar):
        if pa.types.is_timestamp(value.type):
            return value.value
        if pa.types.is_map(value.type):
            return dict(value.as_py())
        if pa.types.is_list(value.type):
            return [_plain(item) for item in value.values] if value.is_valid else None
        value = value.as_py()
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _rows(part, layout=None):
    columns = convert(part, layout or _layout(part.kind))
    return [
        {name: _plain(columns.column(name)[row]) for name in columns.schema.names} for row in range(columns.num_rows)
    ]


def _converted(signal, columns, received_at=SAMPLE_TIME):
    rows = {}
    for part in parts(signal, columns, received_at):
        for position, row in zip(part.rows.positions, _rows(part), strict=True):
            rows.setdefault(part.kind, []).append((position, row))
    return {kind: [row for _, row in sorted(found, key=lambda pair: pair[0])] for kind, found in rows.items()}


@pytest.mark.parametrize("signal", list(Signal))
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_every_field_of_any_request_lands_in_its_column(signal, data):
    message = data.draw(messages(signal))
    columns = codec().decode(signal, [message.SerializeToString()])
    rows = expected(signal, message, SAMPLE_TIME)
    assert _converted(signal, columns) == {kind: fitted(rows[kind], _layout(kind)) for kind in rows}


@pytest.mark.parametrize("signal", list(Signal))
def test_rows_of_a_slice_are_those_of_the_whole(signal):
    columns = sample_batch(signal, 11).columns
    whole = _converted(signal, columns)
    first, second = _converted(signal, columns.slice(0, 4)), _converted(signal, columns.slice(4))
    assert {kind: first.get(kind, []) + second.get(kind, []) for kind in whole} == whole


@pytest.mark.parametrize("kind", list(SHAPES))
def test_every_column_of_the_current_tables_is_written(kind):
    assert set(_layout(kind)) <= set(COLUMNS[kind])


def _spans(*times):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, (start, end) in enumerate(times, 1):
        spans.add(
            trace_id=number.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            start_time_unix_nano=start,
            end_time_unix_nano=end,
        )
    return codec().decode(Signal.TRACES, [request.SerializeToString()])


def test_rows_of_one_day_stay_together_and_each_day_has_its_own_name():
    columns = _spans((DAY - 1, DAY), (2 * DAY, 0), (DAY, DAY), (0, 5 * DAY), (0, 0))
    found = [(part.name, part.rows.positions.tolist()) for part in parts(Signal.TRACES, columns, 2 * DAY)]
    assert found == [
        ("traces:1970-01-01", [0]),
        ("traces:1970-01-02", [2]),
        ("traces:1970-01-03", [1, 4]),
        ("traces:1970-01-06", [3]),
    ]


def test_a_batch_of_very_many_days_is_cut_into_runs_of_days():
    columns = _spans(*[(day * DAY, 0) for day in range(120, 0, -1)])
    found = [(part.name, part.rows.count) for part in parts(Signal.TRACES, columns, 1)]
    assert found == [("traces:1970-01-02", 50), ("traces:1970-02-21", 50), ("traces:1970-04-12", 20)]


@pytest.mark.parametrize(
    ("start", "end", "stored", "duration"),
    [
        pytest.param(5, 9, 5, 4, id="ordinary"),
        pytest.param(9, 5, 9, 0, id="ends-before-it-starts"),
        pytest.param(0, 9, 9, 0, id="no-start"),
        pytest.param(0, 0, SAMPLE_TIME, 0, id="no-time-at-all"),
        pytest.param(10_382_169_600 * 10**9, 0, LATEST, 0, id="year-2299"),
        pytest.param(2**64 - 1, 2**64 - 1, LATEST, 0, id="largest"),
    ],
)
def test_a_span_is_filed_under_its_best_known_time(start, end, stored, duration):
    (row,) = _converted(Signal.TRACES, _spans((start, end)))["traces"]
    assert (row["Timestamp"], row["Duration"]) == (stored, duration)


def _log_columns(**fields):
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(**fields)
    return codec().decode(Signal.LOGS, [request.SerializeToString()])


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"time_unix_nano": 7, "observed_time_unix_nano": 9}, 7),
        ({"observed_time_unix_nano": 9}, 9),
        ({}, SAMPLE_TIME),
    ],
    ids=["time", "observed", "received"],
)
def test_a_log_record_is_filed_under_its_best_known_time(fields, stored):
    (row,) = _converted(Signal.LOGS, _log_columns(**fields))["logs"]
    assert row["Timestamp"] == stored


def test_no_rows_make_no_parts():
    columns = sample_batch(Signal.LOGS, 1).columns.slice(0, 0)
    assert list(parts(Signal.LOGS, columns, SAMPLE_TIME)) == []
    metrics = sample_batch(Signal.METRICS, 1).columns.slice(0, 0)
    assert list(parts(Signal.METRICS, metrics, SAMPLE_TIME)) == []


def test_halves_of_a_part_are_named_after_it_and_hold_all_its_rows():
    (part,) = parts(Signal.TRACES, _spans((1, 2), (3, 4), (5, 6)), 1)
    halves = part.halves()
    assert [(half.name, half.rows.positions.tolist()) for half in halves] == [
        ("traces:1970-01-01.0", [0]),
        ("traces:1970-01-01.1", [1, 2]),
    ]
    assert [row for half in halves for row in _rows(half)] == _rows(part)


def test_only_columns_that_the_table_has_are_written_in_its_order():
    (part,) = parts(Signal.LOGS, _log_columns(severity_text="WARN", time_unix_nano=1), 1)
    layout = {"Mine": "String", "SeverityText": "String", "TimestampTime": "DateTime", "Timestamp": "DateTime"}
    assert _rows(part, layout) == [{"SeverityText": "WARN", "Timestamp": 0}]


def test_times_take_the_precision_of_their_column():
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    metric.gauge.data_points.add(time_unix_nano=1_500_000_000).exemplars.add(time_unix_nano=2_500_000_000)
    (part,) = parts(Signal.METRICS, codec().decode(Signal.METRICS, [request.SerializeToString()]), 1)
    older = {"TimeUnix": "DateTime64(9)", "Exemplars.TimeUnix": "Array(DateTime64(9))"}
    assert _rows(part, older) == [{"TimeUnix": 1_500_000_000, "Exemplars.TimeUnix": [2_500_000_000]}]
    current = {"TimeUnix": "DateTime", "Exemplars.TimeUnix": "Array(DateTime)"}
    assert _rows(part, current) == [{"TimeUnix": 1, "Exemplars.TimeUnix": [2]}]
