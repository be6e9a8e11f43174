import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from collector.cli import app

GOOD = """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
"""


@pytest.fixture
def ottery(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("TELEMETRY_TRANSPORT", "CLICKHOUSE_URL", "CLICKHOUSE_DATABASE", "OTTERY_DATA"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("arguments", [pytest.param([], id="nothing"), pytest.param(["--help"], id="--help")])
def test_the_help_lists_every_command(ottery, arguments):
    result = ottery(*arguments)
    assert result.exit_code == 0
    for command in ("run", "validate", "components", "schema", "demo", "query", "version"):
        assert f" {command} " in result.stdout


def test_the_help_answers_without_loading_the_collector():
    code = (
        "import sys\n"
        "from collector.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print(sorted({'pydantic', 'pyarrow', 'grpc', 'uvicorn', 'yaml'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_version_is_one_line(ottery):
    assert ottery("--version").stdout.startswith("ottery 0.")


def test_the_module_runs_as_the_command_does():
    result = subprocess.run(
        [sys.executable, "-m", "collector.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("ottery 0.")


def test_versions_name_the_codec_and_the_parts(ottery):
    result = ottery("version")
    assert "(codec " in result.stdout
    assert "pyarrow " in result.stdout


def test_a_misspelt_command_is_answered_with_the_right_one(ottery):
    result = ottery("validat")
    assert result.exit_code == 2
    assert "validate" in result.stderr


def test_validate_names_place_path_and_right_spelling(ottery, tmp_path):
    (tmp_path / "bad.yaml").write_text(GOOD.replace("pipelines", "pipeline"))
    result = ottery("validate", "--config", "bad.yaml")
    assert result.exit_code == 1
    assert 'bad.yaml:3:11 service.pipeline: unknown key, did you mean "pipelines"?\n' in result.stderr
    assert result.stderr.endswith("problems\n")


def test_validate_prints_problems_as_json(ottery, tmp_path):
    (tmp_path / "bad.yaml").write_text("recievers: {}\n")
    result = ottery("validate", "-c", "bad.yaml", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["valid"] is False
    assert found["problems"][0] == {
        "file": "bad.yaml",
        "line": 1,
        "column": 1,
        "path": "recievers",
        "message": "unknown key",
        "suggestion": "receivers",
    }


def test_validate_says_where_a_valid_configuration_sends(ottery, tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    result = ottery("validate", "-c", "good.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "valid: traces (otlp -> debug)\n"


TRAINED = GOOD.replace("debug: ", "debug: {verbosity: '${env:LOUD}'}").replace(
    "{receivers: [otlp]", "{receivers: [otpl]"
)


def test_validate_tells_what_is_worth_knowing_beside_what_is_wrong(ottery, tmp_path):
    (tmp_path / "bad.yaml").write_text(TRAINED)
    result = ottery("validate", "-c", "bad.yaml")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == (
        "bad.yaml:2:32 note: exporters.debug.verbosity: the environment variable LOUD is not set, "
        "so this counts as not written"
    )
    assert lines[1].startswith("bad.yaml:3:44 service.pipelines.traces.receivers[0]: otpl is not defined")
    assert lines[2] == "1 problem"
    found = json.loads(ottery("validate", "-c", "bad.yaml", "--json").stdout)
    assert [len(found["problems"]), [notice["path"] for notice in found["notices"]]] == [
        1,
        ["exporters.debug.verbosity"],
    ]


def test_validate_applies_what_was_set_on_the_command_line(ottery, tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    result = ottery("validate", "-c", "good.yaml", "--set", "exporters.debug.verbosity=louder")
    assert result.exit_code == 1
    assert "--set exporters.debug.verbosity=louder:1:1 exporters.debug.verbosity: " in result.stderr


def test_run_refuses_a_wrong_configuration_with_its_problems(ottery, tmp_path):
    (tmp_path / "bad.yaml").write_text(GOOD.replace("debug:", "debugg:"))
    result = ottery("run", "-c", "bad.yaml")
    assert result.exit_code == 1
    assert 'exporters.debugg: unknown type debugg of exporters, did you mean "debug"?' in result.stderr


def test_a_file_that_is_not_there_is_told_in_one_line(ottery):
    result = ottery("validate", "-c", "nowhere.yaml")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == ("nowhere.yaml:1:1 the file cannot be read: No such file or directory")


def test_components_are_listed_with_signals_and_stability(ottery):
    result = ottery("components")
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if " batch " in line)
    assert line.split()[:6] == ["processors", "batch", "logs,", "metrics,", "traces", "stable"]


def test_components_are_listed_as_json(ottery):
    found = json.loads(ottery("components", "--json").stdout)
    batch = next(component for component in found["components"] if component["name"] == "batch")
    assert batch["kind"] == "processors"
    assert batch["signals"] == ["logs", "metrics", "traces"]


def test_the_schema_is_json(ottery):
    schema = json.loads(ottery("schema").stdout)
    assert schema["required"] == ["service"]
