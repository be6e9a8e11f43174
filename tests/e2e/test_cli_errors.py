"""What goes wrong when Ottery starts is told in one line that says what to do, without a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

OTTERY = Path(sys.executable).with_name("ottery")
CONFIG = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}
exporters:
  {exporter}
extensions:
  health_check: {{endpoint: "127.0.0.1:{health}"}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{address: "127.0.0.1:{metrics}"}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{name}]}}
"""


@pytest.fixture
def taken():
    """A port where somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def run(directory, *arguments, **environ):
    """Return the exit code of a command that ends by itself, and the lines it wrote to standard error."""
    result = subprocess.run(
        [OTTERY, *arguments],
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, **environ},
        timeout=60,
        check=False,
    )
    assert "Traceback" not in result.stdout + result.stderr
    return result.returncode, result.stderr.splitlines()


def config(directory, exporter="debug:", **ports):
    ports = {"grpc": 0, "http": 0, "health": 0, "metrics": 0, **ports}
    path = directory / "ottery.yaml"
    path.write_text(CONFIG.format(exporter=exporter, name=exporter.partition(":")[0], **ports))
    return "run", "--config", str(path)


TAKEN = "another process listens there; stop it, or configure another address"


@pytest.mark.parametrize(
    ("door", "block"),
    [
        ("grpc", "receivers.otlp could not start"),
        ("http", "receivers.otlp could not start"),
        ("health", "extensions.health_check could not start"),
        ("metrics", "service.telemetry.metrics"),
    ],
)
def test_a_port_in_use_names_the_block_the_address_and_what_to_do(tmp_path, taken, door, block):
    code, lines = run(tmp_path, *config(tmp_path, **{door: taken}))
    assert (code, lines) == (1, [f"ottery: {block}: cannot listen on 127.0.0.1:{taken}: {TAKEN}"])


def test_an_address_of_another_machine_is_told(tmp_path):
    arguments = config(tmp_path)
    code, lines = run(tmp_path, *arguments, "--set", "receivers.otlp.protocols.http.endpoint=192.0.2.1:4318")
    assert code == 1
    assert lines == [
        "ottery: receivers.otlp could not start: cannot listen on 192.0.2.1:4318: this machine has no such address"
    ]


def test_a_file_exporter_that_may_not_write_says_where(tmp_path):
    (tmp_path / "plain").touch()
    code, lines = run(tmp_path, *config(tmp_path, "file: {path: plain/out.json}"))
    assert (code, lines) == (
        1,
        ["ottery: exporters.file could not start: path: cannot write plain/out.json: Not a directory"],
    )


@pytest.mark.parametrize("command", ["run", "validate"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(None, "ottery.yaml:1:1 the file cannot be read: No such file or directory", id="no file"),
        pytest.param("a: [", "ottery.yaml:2:1 this is not valid YAML, while parsing a flow node", id="no YAML"),
        pytest.param("services: {}", 'ottery.yaml:1:1 services: unknown key, did you mean "service"?', id="a typo"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_line(tmp_path, command, text, line):
    if text is not None:
        (tmp_path / "ottery.yaml").write_text(text + "\n")
    code, lines = run(tmp_path, command, "--config", "ottery.yaml")
    assert code == 1
    assert any(found.startswith(line) for found in lines)


def test_an_environment_that_makes_no_sense_names_the_variable(tmp_path):
    code, lines = run(tmp_path, "run", TELEMETRY_TRANSPORT="clickhouse", CLICKHOUSE_URL="")
    assert (code, lines) == (
        1,
        ["environment:1:1 CLICKHOUSE_URL: TELEMETRY_TRANSPORT=clickhouse needs it, such as http://localhost:8123"],
    )


@pytest.mark.parametrize("command", ["run", "version"])
def test_a_codec_that_does_not_exist_is_told(tmp_path, command):
    code, lines = run(tmp_path, command, OTTERY_CODEC="rust")
    assert (code, lines) == (1, ["ottery: OTTERY_CODEC: auto, native or python was expected, not 'rust'"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--confg", "a"], "No such option: --confg (Possible options: --config)"),
        (["run", "--config"], "Option '--config' requires an argument."),
        (["runn"], "No such command 'runn'. Did you mean 'run'?"),
        (["query"], "Missing argument"),
        (["demo", "--protocol", "tcp"], "'tcp' is not one of 'http', 'grpc'"),
    ],
)
def test_a_command_line_that_is_wrong_is_told(tmp_path, arguments, said):
    code, lines = run(tmp_path, *arguments)
    assert code == 2
    assert any(said in line for line in lines), lines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["demo", "--endpoint", "http://127.0.0.1:1"], "nothing listens at 127.0.0.1:1", id="demo"),
        pytest.param(["query", "SELECT 1", "--url", "http://127.0.0.1:1"], "nothing listens at http", id="query"),
        pytest.param(["query", "SELECT 1", "--url", "nowhere"], "--url: http://host:port was expected", id="url"),
        pytest.param(["demo", "--endpoint", "nowhere"], "--endpoint: http://host:port was expected", id="endpoint"),
    ],
)
def test_a_place_where_nothing_answers_is_told_with_what_to_do(tmp_path, arguments, said):
    code, lines = run(tmp_path, *arguments)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"ottery: {said}")


ELSEWHERE = [
    part
    for place in (
        "receivers.otlp.protocols.grpc.endpoint",
        "receivers.otlp.protocols.http.endpoint",
        "extensions.health_check.endpoint",
        "extensions.clickhouse_server.endpoint",
        "service.telemetry.metrics.address",
    )
    for part in ("--set", f"{place}=127.0.0.1:0")
]
"""The built-in default, on ports that nobody uses."""


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "data").touch()
    code, lines = run(tmp_path, "run", *ELSEWHERE)
    assert code == 1
    assert "data/delivery/traces cannot be used: Not a directory; " in lines[-1]


def test_a_data_directory_that_another_ottery_uses_is_named(tmp_path, ottery):
    ottery.arguments = [*ELSEWHERE, "--set", f"extensions.health_check.endpoint=127.0.0.1:{ottery.health}"]
    ottery.start()
    code, lines = run(tmp_path, "run", *ELSEWHERE)
    assert code == 1
    assert "data/delivery/traces is in use by another process; stop that one, or give each its own" in lines[-1]
