import pytest


def with_telemetry(base: str, telemetry: str) -> str:
    return base.replace("service:\n", f"service:\n  telemetry: {telemetry}\n")


@pytest.mark.parametrize(
    ("telemetry", "path", "reason"),
    [
        pytest.param("{traces: {level: none}}", "traces", "Ottery does not trace itself", id="traces"),
        pytest.param(
            "{logs: {sampling: {initial: 5}}}", "logs.sampling", "lines that repeat are counted", id="log sampling"
        ),
        pytest.param(
            "{logs: {processors: [{batch: {}}]}}", "logs.processors", "goes to output_paths only", id="pushed logs"
        ),
        pytest.param("{metrics: {views: []}}", "metrics.views", "every metric is served", id="views"),
        pytest.param(
            "{metrics: {readers: [{periodic: {exporter: {otlp: {protocol: grpc}}}}]}}",
            "metrics.readers[0]",
            "for Prometheus to pull",
            id="pushed metrics",
        ),
    ],
)
def test_a_key_that_only_the_collector_has_is_told_and_changes_nothing(loading, base, telemetry, path, reason):
    loaded = loading(with_telemetry(base, telemetry))
    (notice,) = loaded.notices
    assert notice.path == f"service.telemetry.{path}"
    assert notice.message.startswith("accepted, but not applied: ")
    assert reason in notice.message
    assert loaded.telemetry == loading(base).telemetry


def test_a_reader_beside_one_that_pushes_stands(loading, base):
    readers = "[{periodic: {}}, {pull: {exporter: {prometheus: {port: 1}}}}]"
    loaded = loading(with_telemetry(base, f"{{metrics: {{readers: {readers}}}}}"))
    assert loaded.telemetry.metrics.endpoint == "localhost:1"


def test_no_readers_switch_the_endpoint_off(loading, base):
    assert loading(with_telemetry(base, "{metrics: {readers: []}}")).telemetry.metrics.endpoint is None


@pytest.mark.parametrize(
    ("telemetry", "problem"),
    [
        pytest.param(
            "{trace: {}}", "service.telemetry.trace: unknown key; known here: logs, metrics, resource", id="misspelt"
        ),
        pytest.param("[]", "service.telemetry: a block of keys was expected, not a list", id="a list"),
        pytest.param("{logs: 5}", "service.telemetry.logs: a block of keys was expected, not 5", id="a number"),
        pytest.param(
            "{metrics: {readers: 5}}", "service.telemetry.metrics.readers: a list was expected, not 5", id="no list"
        ),
    ],
)
def test_what_nobody_has_is_still_a_problem(loading, base, telemetry, problem):
    (found,) = loading.problems(with_telemetry(base, telemetry))
    assert found.partition(" ")[2] == problem
