"""Configurations in the words of the OpenTelemetry Collector's chart, demo and examples load, or say what is missing."""

import pytest

from collector.config import ConfigError, load

GATEWAY = """\
exporters:
  debug: {}
  otlp:
    endpoint: otel-collector.default:4317
    tls:
      insecure: true
    sending_queue:
      num_consumers: 4
      queue_size: 100
      batch:
    retry_on_failure:
      enabled: true
      initial_interval: 5s
      max_interval: 30s
      max_elapsed_time: 300s
  otlphttp/metrics:
    endpoint: "http://prometheus:9090/api/v1/otlp"
    tls:
      insecure: true
extensions:
  health_check:
    endpoint: ${env:MY_POD_IP}:13133
processors:
  batch: {}
  memory_limiter:
    check_interval: 5s
    limit_percentage: 80
    spike_limit_percentage: 25
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: ${env:MY_POD_IP}:4317
        max_recv_msg_size_mib: 16
        keepalive:
          server_parameters:
            max_connection_age: 60s
      http:
        endpoint: ${env:MY_POD_IP}:4318
        include_metadata: true
        cors:
          allowed_origins:
            - "http://*"
            - "https://*"
          allowed_headers: ["*"]
service:
  extensions:
    - health_check
  pipelines:
    logs:
      exporters: [debug]
      processors: [memory_limiter, batch]
      receivers: [otlp]
    metrics:
      exporters: [otlphttp/metrics]
      processors: [memory_limiter, batch]
      receivers: [otlp]
    traces:
      exporters: [otlp, debug]
      processors: [memory_limiter, batch]
      receivers: [otlp]
  telemetry:
    logs:
      level: INFO
      encoding: json
      sampling:
        initial: 10
    metrics:
      level: detailed
      readers:
        - pull:
            exporter:
              prometheus:
                host: ${env:MY_POD_IP}
                port: 8888
                without_type_suffix: true
                without_units: true
                without_scope_info: true
"""

CLICKHOUSE = """\
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
processors:
  batch:
    send_batch_size: 100000
    timeout: 5s
exporters:
  clickhouse:
    endpoint: tcp://clickhouse:9000?dial_timeout=10s&compress=lz4
    database: otel
    ttl: 72h
    traces_table_name: otel_traces
    logs_table_name: otel_logs
    create_schema: true
    timeout: 10s
    username: default
    password: ${CLICKHOUSE_PASSWORD:-secret}
    retry_on_failure: {enabled: true, initial_interval: 5s, max_interval: 30s, max_elapsed_time: 300s}
service:
  telemetry:
    metrics:
      address: ":8888"
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [clickhouse]
"""

FANCY = """\
receivers:
  otlp: {protocols: {grpc: }}
  hostmetrics: {scrapers: {cpu: }}
  prometheus: {config: {scrape_configs: []}}
exporters:
  logging: {loglevel: debug}
  otlp/jaeger: {endpoint: "jaeger:4317"}
processors:
  transform: {error_mode: ignore}
connectors:
  spanmetrics:
extensions:
  zpages:
service:
  extensions: [zpages]
  pipelines:
    traces: {receivers: [otlp], processors: [transform], exporters: [otlp/jaeger, spanmetrics]}
    metrics: {receivers: [hostmetrics, prometheus, spanmetrics], exporters: [logging]}
    profiles: {receivers: [otlp], exporters: [logging]}
"""


def test_a_gateway_of_the_chart_loads_and_what_differs_is_told():
    loaded = load([f"yaml:{GATEWAY}"], {"MY_POD_IP": "10.0.0.7"})
    assert loaded.receivers["otlp"].protocols.grpc.endpoint == "10.0.0.7:4317"
    assert loaded.telemetry.metrics.endpoint == "10.0.0.7:8888"
    assert set(loaded.exporters) == {"debug", "otlp", "otlphttp/metrics"}
    assert [notice.text for notice in loaded.notices] == [
        "exporters.otlp: otlp is an older name of otlp_grpc and goes on working",
        "exporters.otlphttp/metrics: otlphttp is an older name of otlp_http and goes on working",
        "service.telemetry.logs.sampling: accepted, but not applied: lines that repeat are counted and summed up instead",
        (
            "processors.batch: its settings are now sending_queue.batch of debug, otlphttp/metrics; "
            "sending_queue.batch of otlp stands"
        ),
    ]


def test_a_configuration_of_contribs_clickhouse_exporter_loads():
    clickhouse = load([f"yaml:{CLICKHOUSE}"], {}).exporters["clickhouse"]
    assert clickhouse.target.database == "otel"
    assert clickhouse.password.get_secret_value() == "secret"
    assert clickhouse.sending_queue.batch.min_size == 100_000


def test_what_ottery_does_not_have_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        load([f"yaml:{FANCY}"], {})
    assert [problem.path for problem in caught.value.problems] == [
        "receivers.hostmetrics",
        "receivers.prometheus",
        "exporters.logging",
        "processors.transform",
        "connectors.spanmetrics",
        "extensions.zpages",
        "service.pipelines.profiles",
    ]
