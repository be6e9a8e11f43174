"""Every metric that Ottery publishes, with the labels it has and what an operator reads from it.

`otelcol_*` metrics have the names and labels of the OpenTelemetry Collector's own telemetry, so that its public
dashboards and alerts work unchanged. Counters get `_total` when they are exposed.
"""

from __future__ import annotations

from collections.abc import Mapping

from collector.api import Metric, Signal

_COUNTS = (
    1,
    10,
    25,
    50,
    75,
    100,
    250,
    500,
    750,
    1e3,
    2e3,
    3e3,
    4e3,
    5e3,
    6e3,
    7e3,
    8e3,
    9e3,
    1e4,
    2e4,
    3e4,
    5e4,
    1e5,
)
_BYTES = tuple(float(1 << power) for power in range(7, 25))
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _counter(name: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name, "counter", labels, text)


def _gauge(name: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name, "gauge", labels, text)


def _per_signal(name: str, labels: tuple[str, ...], text: str) -> Mapping[Signal, Metric]:
    return {signal: _counter(f"{name}_{signal.items}", labels, text) for signal in Signal}


_DOOR = ("receiver", "transport")

RECEIVER_ACCEPTED = _per_signal(
    "otelcol_receiver_accepted", _DOOR, "Items that a receiver took and a client got an OK for."
)
RECEIVER_REFUSED = _per_signal(
    "otelcol_receiver_refused",
    _DOOR,
    "Items turned away because the pipeline behind the receiver said no; above 0 means overload or a full log.",
)
RECEIVER_FAILED = _per_signal(
    "otelcol_receiver_failed", _DOOR, "Items lost to an error inside the receiver; above 0 is a fault of Ottery's."
)
RECEIVER_REQUESTS = _counter(
    "otelcol_receiver_requests",
    (*_DOOR, "outcome"),
    "Requests by outcome: success, refused (come back later or wrong data), failure (a fault of Ottery's).",
)
RECEIVER_READ = Metric(
    "ottery_receiver_read_seconds",
    "histogram",
    ("receiver", "place"),
    "Seconds to read one request, by place: loop for small ones, above 0.005 holds up others; worker for large ones.",
    _SECONDS,
)

PROCESSOR_INCOMING = _counter(
    "otelcol_processor_incoming_items", ("processor", "otel_signal"), "Items that reached a processor."
)
PROCESSOR_OUTGOING = _counter(
    "otelcol_processor_outgoing_items",
    ("processor", "otel_signal"),
    "Items that a processor passed on; the difference to incoming was filtered or sampled away.",
)
PROCESSOR_DURATION = Metric(
    "otelcol_processor_internal_duration_seconds",
    "histogram",
    ("processor", "otel_signal"),
    "Seconds that a processor worked on one batch.",
    _SECONDS,
)

EXPORTER_SENT = _per_signal("otelcol_exporter_sent", ("exporter",), "Items that the sink has confirmed.")
EXPORTER_SEND_FAILED = _per_signal(
    "otelcol_exporter_send_failed",
    ("exporter",),
    "Items that an exporter gave up on: the sink refused them for good or retrying ended.",
)
EXPORTER_ENQUEUE_FAILED = _per_signal(
    "otelcol_exporter_enqueue_failed",
    ("exporter",),
    "Items that found no room in an exporter's backlog; their client was told to come back.",
)
EXPORTER_QUEUE_SIZE = _gauge(
    "otelcol_exporter_queue_size",
    ("exporter", "data_type"),
    "Backlog of an exporter, in the unit of its sending_queue.sizer; act at 60 % of the capacity.",
)
EXPORTER_QUEUE_CAPACITY = _gauge(
    "otelcol_exporter_queue_capacity", ("exporter", "data_type"), "Backlog at which receivers are refused."
)
EXPORTER_IN_FLIGHT = _gauge("otelcol_exporter_in_flight_requests", ("exporter",), "Pushes under way.")
EXPORTER_BATCH_SEND_SIZE = Metric(
    "otelcol_exporter_queue_batch_send_size", "histogram", ("exporter",), "Items of one push.", _COUNTS
)
EXPORTER_BATCH_SEND_SIZE_BYTES = Metric(
    "otelcol_exporter_queue_batch_send_size_bytes",
    "histogram",
    ("exporter",),
    "Bytes of one push before compression.",
    _BYTES,
)

PROCESS_CPU_SECONDS = _counter("otelcol_process_cpu_seconds", (), "User and system CPU seconds of the process.")
PROCESS_MEMORY_RSS = _gauge("otelcol_process_memory_rss_bytes", (), "Resident memory of the process.")
PROCESS_UPTIME = _counter("otelcol_process_uptime_seconds", (), "Seconds since the process started.")

OTTERY_REJECTED = _counter(
    "ottery_rejected_items",
    ("signal", "receiver", "reason"),
    "Items that OTLP or a rule tells us to refuse; the sender was told why.",
)
OTTERY_DROPPED = _counter(
    "ottery_dropped_items",
    ("signal", "component", "reason", "intentional"),
    "Items thrown away, by reason; intentional is true for filters and sampling, and false is loss.",
)
OTTERY_REPEATED = _counter(
    "ottery_repeated_items",
    ("pipeline", "signal"),
    "Items of requests that a client sent again because it got no answer; they are in the log once.",
)
OTTERY_DEAD_LETTERED = _counter(
    "ottery_dead_lettered_items",
    ("signal", "exporter", "reason"),
    "Items set aside because the sink refuses them for good.",
)
OTTERY_REPLAYED = _counter(
    "ottery_replayed_items",
    ("signal", "exporter", "outcome"),
    "Dead-lettered items that were delivered again: stored, or refused once more and dead-lettered again.",
)
OTTERY_RETRIES = _counter(
    "ottery_exporter_retries",
    ("exporter", "kind"),
    "Attempts that failed and will be made again, by the kind of error.",
)
OTTERY_CIRCUIT_OPEN = _gauge(
    "ottery_exporter_circuit_open",
    ("exporter",),
    "1 while an exporter's sink failed so often in a row that only one attempt at a time is made, else 0.",
)
OTTERY_MEMORY_LIMITED = _gauge(
    "ottery_processor_memory_limited",
    ("processor",),
    "1 while a memory_limiter refuses requests because the process holds too much memory, else 0.",
)
OTTERY_LEDGER = _gauge(
    "ottery_ledger_items",
    ("pipeline", "signal", "exporter", "account"),
    "Items by what became of them since the log began: received is the sum of stored, rejected, dropped, "
    "dead_lettered and in_flight.",
)
OTTERY_LEDGER_BALANCED = _gauge(
    "ottery_ledger_balanced",
    ("pipeline", "signal", "exporter"),
    "1 while received is the sum of all that became of it; 0 is a fault of Ottery's: please report it.",
)
OTTERY_LOG_BYTES = _gauge(
    "ottery_log_bytes", ("pipeline",), "Bytes that a pipeline's log has on disk; at the capacity receivers are refused."
)
OTTERY_LOG_CAPACITY = _gauge("ottery_log_capacity_bytes", ("pipeline",), "Most bytes that the log may have on disk.")
OTTERY_LOG_OLDEST = _gauge(
    "ottery_log_oldest_seconds",
    ("pipeline",),
    "Age of the oldest data that an exporter has still to take, to the precision of a segment; 0 when there is none.",
)
OTTERY_LOG_REFUSED = _counter(
    "ottery_log_refused_items",
    ("pipeline", "reason"),
    "Items that a log did not take, by reason: full or disk; their client was told to come back.",
)
OTTERY_LOG_DAMAGE = _counter(
    "ottery_log_damage",
    ("pipeline", "kind"),
    "Damage found in a log: torn is the unfinished end that a crash leaves, segment is a file with bad records.",
)
OTTERY_RESTARTS = _counter(
    "ottery_component_restarts", ("component", "kind"), "Restarts of a component that failed while running."
)
OTTERY_COMPONENT_STATE = _gauge(
    "ottery_component_state", ("component", "kind", "state"), "1 for the state that a component is in, else 0."
)
OTTERY_CODEC = _gauge(
    "ottery_codec_in_use", ("codec",), "1 for the codec in use: native, or python, which is many times slower."
)
OTTERY_LOOP_LAG = Metric(
    "ottery_event_loop_lag_seconds",
    "histogram",
    (),
    "How late the event loop runs what is due; above 0.1 something blocks it.",
    _SECONDS,
)


def _all() -> tuple[Metric, ...]:
    found: list[Metric] = []
    for value in list(globals().values()):
        if isinstance(value, Metric):
            found.append(value)
        elif isinstance(value, Mapping):
            found.extend(metric for metric in value.values() if isinstance(metric, Metric))
    return tuple(found)


CATALOGUE: tuple[Metric, ...] = _all()
"""All of them, in the order above."""
