import pytest

from collector.api import BatchConfig, Signal
from collector.api.config import PartitionConfig
from collector.config import Pipeline


def test_a_document_becomes_models_and_pipelines(loading, base):
    loaded = loading(base)
    assert loaded.pipelines == {"traces": Pipeline(Signal.TRACES, ("otlp",), (), ("nothing",))}
    assert loaded.receivers["otlp"].model_dump() == {
        "protocols": {"grpc": {"endpoint": "localhost:4317", "max_recv_msg_size_mib": 64}, "http": None}
    }
    assert set(loaded.exporters) == {"nothing"}
    assert loaded.telemetry.metrics.endpoint == "localhost:8888"
    assert loaded.notices == ()


def test_loading_twice_gives_equal_configurations(loading, base):
    assert loading(base) == loading(base)
    assert loading(base) != loading(base.replace("grpc:", "http:"))


def test_every_problem_of_a_document_is_told_in_one_run(loading):
    text = """\
recievers: {}
receivers:
  otlp:
    protocols:
      grpc:
        endpont: localhost:1
        max_recv_msg_size_mib: many
    endpoint: localhost:1
exporters:
  sink:
    endpoint: nowhere
    retry_on_failure: {multiplier: 0.5}
    timeout: 5 apples
  sink/unused:
    endpoint: 5
  snik:
processors:
  batch:
    timeout: 1s
  batch: {send_batch_sizes: 5}
service:
  extension: [health_check]
  telemetry: {logs: {level: inof}}
  pipelines:
    trace:
      receivers: [otpl]
      processors: [batch, batch]
      exporters: [sink, otlp]
    logs:
      exporters: sink
"""
    assert loading.problems(text) == [
        '1.yaml:1:1 recievers: unknown key, did you mean "receivers"?',
        '1.yaml:6:9 receivers.otlp.protocols.grpc.endpont: unknown key, did you mean "endpoint"?',
        "1.yaml:7:32 receivers.otlp.protocols.grpc.max_recv_msg_size_mib: a whole number was expected, not 'many'",
        '1.yaml:8:5 receivers.otlp.endpoint: unknown key, did you mean "protocols.grpc.endpoint"?',
        "1.yaml:11:15 exporters.sink.endpoint: scheme://host:port was expected, not 'nowhere'",
        "1.yaml:12:36 exporters.sink.retry_on_failure.multiplier: at least 1.0 was expected, not 0.5",
        "1.yaml:13:14 exporters.sink.timeout: a duration such as 200ms, 5s or 1h30m was expected, not '5 apples'",
        "1.yaml:14:3 exporters.sink/unused: this is defined but not used in any pipeline; use it or take it out",
        "1.yaml:15:15 exporters.sink/unused.endpoint: text was expected, not 5; put it in quotes",
        '1.yaml:16:3 exporters.snik: unknown type snik of exporters, did you mean "sink"?',
        "1.yaml:20:3 processors.batch: this key stands here twice, first in line 18",
        '1.yaml:20:11 processors.batch.send_batch_sizes: unknown key, did you mean "send_batch_size"?',
        '1.yaml:22:3 service.extension: unknown key, did you mean "extensions"?',
        """1.yaml:23:29 service.telemetry.logs.level: debug, info, warn or error was expected, not 'inof', \
did you mean "info"?""",
        """1.yaml:25:5 service.pipelines.trace: a pipeline is named after its signal (traces, metrics, logs), \
or signal/name, did you mean "traces"?""",
        '1.yaml:26:19 service.pipelines.trace.receivers[0]: otpl is not defined under receivers, did you mean "otlp"?',
        "1.yaml:27:27 service.pipelines.trace.processors[1]: batch stands here twice",
        "1.yaml:28:25 service.pipelines.trace.exporters[1]: otlp is not defined under exporters, only under receivers",
        "1.yaml:29:5 service.pipelines.logs.receivers: the pipeline needs at least one of receivers",
        "1.yaml:30:18 service.pipelines.logs.exporters: a list was expected, not 'sink'",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", ["1.yaml:1:1 service.pipelines: at least one pipeline is required"], id="empty"),
        pytest.param("- a", ["1.yaml:1:1 a configuration is a block of keys such as receivers and service"], id="list"),
        pytest.param(
            "receivers: [otlp",
            [
                """1.yaml:2:1 this is not valid YAML, while parsing a flow sequence (begun in line 1): \
did not find expected ',' or ']'"""
            ],
            id="no YAML",
        ),
        pytest.param("a: 1\n---\nb: 2", ["1.yaml:2:1 a second document starts here; a file holds one"], id="two"),
    ],
)
def test_a_document_of_the_wrong_form_is_refused(loading, text, expected):
    assert loading.problems(text) == expected


def test_an_exporter_that_does_not_carry_the_signal_is_refused(loading, base):
    text = base.replace("nothing", "logs_only")
    assert loading.problems(text) == [
        "1.yaml:11:19 service.pipelines.traces.exporters[0]: logs_only does not support traces, only logs"
    ]


def test_a_component_that_cannot_be_imported_is_a_problem_at_its_place(loading, base):
    text = base.replace("nothing", "broken")
    assert loading.problems(text) == [
        "1.yaml:6:3 exporters.broken: the exporter broken cannot be loaded: No module named 'collector.no_such_module'"
    ]


def test_later_files_lay_their_keys_over_earlier_ones_and_replace_lists(loading, base):
    over = "exporters: {sink: {endpoint: 'a://b'}}\nservice: {pipelines: {traces: {exporters: [sink, nothing]}}}"
    assert loading(base, over).pipelines["traces"].exporters == ("sink", "nothing")


def test_a_problem_names_the_file_it_was_written_in(loading, base):
    assert loading.problems(base, "exporters: {nothing: {a: 1}}") == ["2.yaml:1:23 exporters.nothing.a: unknown key"]


def test_a_connector_is_an_exporter_here_and_a_receiver_there(loading, base):
    text = base.replace("exporters: [nothing]", "exporters: [bridge]").replace(
        "exporters:\n", "connectors: {bridge: }\nexporters:\n", 1
    )
    loaded = loading(text + "    traces/b: {receivers: [bridge], exporters: [nothing]}\n")
    assert set(loaded.connectors) == {"bridge"}
    assert loaded.pipelines["traces/b"].receivers == ("bridge",)


@pytest.mark.parametrize(
    ("pipelines", "expected"),
    [
        pytest.param(
            "traces: {receivers: [otlp], exporters: [bridge]}",
            "14 connectors.bridge: no pipeline has this among its receivers, so what reaches it would be lost",
            id="nobody receives",
        ),
        pytest.param(
            "traces: {receivers: [otlp, bridge], exporters: [nothing]}",
            "14 connectors.bridge: no pipeline has this among its exporters, so nothing ever reaches it",
            id="nobody sends",
        ),
        pytest.param(
            "traces: {receivers: [otlp], exporters: [bridge]}, logs: {receivers: [bridge], exporters: [nothing]}",
            "14 connectors.bridge: it takes traces, but no pipeline for that has it among its receivers",
            id="another signal",
        ),
        pytest.param(
            "traces: {receivers: [otlp], exporters: [bridge, nothing]}, "
            "traces/b: {receivers: [bridge], exporters: [back]}, "
            "traces/c: {receivers: [back], exporters: [bridge]}",
            "24 connectors.bridge/back: pipelines go in a circle: traces/b -> traces/c -> traces/b",
            id="a circle",
        ),
        pytest.param(
            "traces: {receivers: [otlp, bridge], exporters: [bridge]}",
            "14 connectors.bridge: pipelines go in a circle: traces -> traces",
            id="itself",
        ),
    ],
)
def test_a_connector_that_leads_nowhere_or_back_is_refused(loading, base, pipelines, expected):
    back = ", bridge/back: " if "back" in pipelines else ""
    text = f"connectors: {{bridge: {back}}}\n" + base[: base.index("service:")]
    text += f"service: {{pipelines: {{{pipelines.replace('back', 'bridge/back')}}}}}\n"
    text = text if "nothing" in pipelines else text.replace("exporters:\n  nothing:\n", "")
    assert loading.problems(text) == [f"1.yaml:1:{expected}"]


def test_extensions_come_in_the_order_of_the_service_block(loading, base):
    text = base.replace("service:\n", "extensions: {health_check: , health_check/b: }\nservice:\n")
    text = text.replace("service:\n", "service:\n  extensions: [health_check/b, health_check]\n")
    assert list(loading(text).extensions) == ["health_check/b", "health_check"]


def test_an_older_name_works_and_is_reported(loading, base):
    loaded = loading(base.replace("nothing:", "old_sink: {endpoint: 'a://b'}").replace("nothing", "old_sink"))
    assert set(loaded.exporters) == {"old_sink"}
    assert [notice.text for notice in loaded.notices] == [
        "exporters.old_sink: old_sink is an older name of sink and goes on working"
    ]


def _batched(base: str, batch: str, exporter: str) -> str:
    text = base.replace("nothing:", exporter).replace("[nothing]", f"[{exporter.partition(':')[0]}]")
    return text.replace("service:\n", f"processors: {{{batch}}}\nservice:\n").replace(
        "receivers: [otlp]", "receivers: [otlp]\n      processors: [batch, filter]"
    )


@pytest.mark.parametrize(
    ("blocks", "gathering", "notice"),
    [
        pytest.param(
            ("batch: {send_batch_size: 100, timeout: 5s}", "sink: {endpoint: 'a://b'}"),
            BatchConfig(min_size=100, flush_timeout=5.0),
            "its settings are now sending_queue.batch of sink",
            id="moves to the exporter",
        ),
        pytest.param(
            ("batch: ", "gathering: "),
            BatchConfig(min_size=20_000, flush_timeout=1.0),
            "its settings are now sending_queue.batch of gathering",
            id="keeps what the exporter prefers where nothing was written",
        ),
        pytest.param(
            ("batch: {timeout: 3s}", "gathering: "),
            BatchConfig(min_size=20_000, flush_timeout=3.0),
            "its settings are now sending_queue.batch of gathering",
            id="changes only what was written",
        ),
        pytest.param(
            ("batch: {send_batch_size: 100}", "sink: {endpoint: 'a://b', sending_queue: {batch: {min_size: 7}}}"),
            BatchConfig(min_size=7),
            "it changes nothing; sending_queue.batch of sink stands",
            id="yields to the exporter's own",
        ),
        pytest.param(
            ("batch: {metadata_keys: [tenant]}", "sink: {endpoint: 'a://b'}"),
            BatchConfig(partition=PartitionConfig(metadata_keys=("tenant",))),
            "its settings are now sending_queue.batch of sink",
            id="keeps clients apart",
        ),
    ],
)
def test_a_batch_processor(loading, base, blocks, gathering, notice):
    batch, exporter = blocks
    loaded = loading(_batched(base, f"filter: , {batch}", exporter))
    (config,) = loaded.exporters.values()
    assert config.sending_queue.batch == gathering
    assert loaded.pipelines["traces"].processors == ("filter",)
    assert set(loaded.processors) == {"filter"}
    assert [found.text for found in loaded.notices] == [f"processors.batch: {notice}"]


def test_a_type_that_was_replaced_is_answered_with_its_successor(loading, base):
    text = base.replace("nothing", "logging")
    assert loading.problems(text) == [
        '1.yaml:6:3 exporters.logging: unknown type logging of exporters, did you mean "debug"?'
    ]


def test_an_unknown_connector_is_one_problem(loading, base):
    text = base.replace("[nothing]", "[nothing, bridg]").replace("service:\n", "connectors: {bridg: }\nservice:\n")
    assert loading.problems(text) == [
        '1.yaml:7:14 connectors.bridg: unknown type bridg of connectors, did you mean "bridge"?'
    ]
