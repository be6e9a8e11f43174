"""The JSON Schema accepts what the loader accepts, and refuses what an editor should underline."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import collector.config
from collector.config import ConfigError, load
from collector.config.schema import json_schema

ROOT = Path(__file__).parents[3]
GOOD = [
    *sorted(ROOT.glob("examples/**/*.yaml")),
    *sorted(Path(collector.config.__file__).parent.glob("defaults/*.yaml")),
]
BASE = """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: , file: {path: out.json}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug, file]}}}
"""


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_every_configuration_that_we_show_is_valid(validator, path):
    assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


def both(validator, change):
    """Return whether the schema and the loader accept the base with a change."""
    document = yaml.safe_load(BASE)
    change(document)
    try:
        load([f"yaml:{yaml.safe_dump(document)}"], {"N": "5"})
    except ConfigError:
        return validator.is_valid(document), False
    return validator.is_valid(document), True


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda it: None, id="nothing"),
        pytest.param(lambda it: it["exporters"].update(debug=None), id="an empty block"),
        pytest.param(lambda it: it["exporters"]["file"].update(rotation=None), id="an empty inner block"),
        pytest.param(lambda it: it["exporters"]["file"].update(timeout="1h30m"), id="a duration"),
        pytest.param(lambda it: it["exporters"].update(debug={"sampling_initial": "${env:N}"}), id="a reference"),
        pytest.param(lambda it: it["service"].update(telemetry={"logs": {"level": "warn"}}), id="telemetry"),
        pytest.param(lambda it: it["service"].update(telemetry={"logs": {"sampling": {}}}), id="what is left out"),
        pytest.param(
            lambda it: it["service"].update(telemetry={"metrics": {"readers": [{"periodic": {}}]}}),
            id="a pushing reader",
        ),
        pytest.param(lambda it: it["service"].update(delivery={"max_size": "20GiB"}), id="a size"),
    ],
)
def test_both_accept(validator, change):
    assert both(validator, change) == (True, True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda it: it.update(receiver={}), id="an unknown section"),
        pytest.param(lambda it: it.pop("service"), id="no service"),
        pytest.param(lambda it: it["exporters"].update(flie={}), id="an unknown type"),
        pytest.param(lambda it: it["exporters"]["file"].update(pth="x"), id="an unknown key"),
        pytest.param(lambda it: it["exporters"]["file"].update(rotation={"max_days": -1}), id="a number out of bounds"),
        pytest.param(lambda it: it["exporters"]["file"].update(format="xml"), id="a value that is no choice"),
        pytest.param(lambda it: it["exporters"]["file"].pop("path"), id="a missing key"),
        pytest.param(lambda it: it["exporters"]["file"].update(timeout=5), id="a duration without a unit"),
        pytest.param(lambda it: it["service"]["pipelines"]["traces"].update(exporter=[]), id="an unknown inner key"),
        pytest.param(lambda it: it["service"].update(telemetry={"metrics": {"readers": [{}]}}), id="an empty reader"),
    ],
)
def test_both_refuse(validator, change):
    assert both(validator, change) == (False, False)


def test_every_key_is_described(validator):
    definitions = validator.schema["$defs"]
    blocks = {name: block for name, block in definitions.items() if block.get("type") == "object"}
    assert [name for name, block in blocks.items() if not block.get("description")] == []
