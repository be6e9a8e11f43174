"""Whatever stands in a configuration: it loads, or its problems are told. Nothing else is ever raised."""

import copy
import os

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.config import ConfigError, load

DOCUMENT = yaml.safe_load("""\
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "localhost:4317", tls: {cert_file: a, key_file: b}, keepalive: {server_parameters: {time: 1s}}}
      http: {endpoint: "localhost:4318", cors: {allowed_origins: ["*"]}, compression_algorithms: [gzip]}
processors:
  batch: {timeout: 1s, send_batch_size: 10}
  memory_limiter: {limit_mib: 100, check_interval: 1s}
exporters:
  clickhouse: {endpoint: "http://localhost:8123", ttl: 1h, connection_params: {a: b}, sending_queue: {batch: {min_size: 1}}}
  debug: {verbosity: basic, output_paths: [stdout]}
  file: {path: out.json, rotation: {max_days: 1}, group_by: {enabled: false}}
  kafka: {brokers: ["localhost:9092"], traces: {topic: a}, auth: {sasl: {username: a, password: b, mechanism: PLAIN}}}
  otlp_grpc: {endpoint: "localhost:14317", headers: {a: b}, retry_on_failure: {max_interval: 1s}}
  otlp_http: {endpoint: "http://localhost:14318", tls: {insecure: true}}
connectors:
  forward:
extensions:
  health_check: {endpoint: "localhost:13133", response_body: {healthy: ok}}
  clickhouse_server: {endpoint: "localhost:8123", users: {a: b}}
  file_storage: {directory: a}
service:
  extensions: [health_check, clickhouse_server, file_storage]
  delivery: {directory: a, max_size: 1GiB}
  telemetry:
    logs: {level: info, initial_fields: {a: b}}
    metrics: {readers: [{pull: {exporter: {prometheus: {port: 1}}}}]}
    resource: {a: b}
  pipelines:
    traces: {receivers: [otlp], processors: [batch, memory_limiter], exporters: [clickhouse, kafka, file, forward]}
    traces/b: {receivers: [forward], exporters: [debug, otlp_grpc, otlp_http]}
""")


def _places(node, path=()):
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


MOST = int(os.environ.get("OTTERY_TEST_EXAMPLES", "100"))
PLACES = list(_places(DOCUMENT))
KEYS = sorted({part for path in PLACES for part in path if isinstance(part, str)})
TEXTS = st.sampled_from(
    [
        "a",
        "-1",
        "1e999",
        "${env:A}",
        "${env:B}",
        "${env:NO}",
        "${env:",
        "$",
        "1h",
        "99999999999h",
        "::1",
        "[::1]:99999",
        "http://",
        "tcp://a?b",
        "chdb://",
        "é",
        "a/b",
        "0",
        "1GiB",
        "99999999999999TiB",
        "*",
        "https://*:*",
        "{}",
        "../a",
        "localhost:0",
        "unix:///a",
        "http://[a:1",
        "https://a,b",
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXTS, st.text(max_size=8), st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.lists(st.tuples(st.sampled_from(PLACES[1:]), VALUES), min_size=1, max_size=3)


def _has(holder, part):
    return part in holder if isinstance(holder, dict) else isinstance(part, int) and part < len(holder)


def _changed(changes):
    document = copy.deepcopy(DOCUMENT)
    for path, value in changes:
        holder = document
        for part in path[:-1]:
            holder = holder[part] if isinstance(holder, dict | list) and _has(holder, part) else None
        if isinstance(holder, dict) or (isinstance(holder, list) and _has(holder, path[-1])):
            holder[path[-1]] = value
    return yaml.safe_dump(document, allow_unicode=True)


def _problems(text):
    try:
        load([f"yaml:{text}"], {"A": "5", "B": "{a: [}"})
    except ConfigError as error:
        return error.problems
    return None


@settings(max_examples=MOST, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES)
def test_a_value_of_any_kind_anywhere(changes):
    problems = _problems(_changed(changes))
    assert problems is None or all(problem.message for problem in problems)


@settings(max_examples=MOST, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_text_of_any_kind(text):
    assert _problems(text)
