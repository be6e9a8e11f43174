import pytest

from collector.config import ConfigError, load

BASE = """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: {sampling_initial: 5}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
"""


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return str(path)


def problems(*sources, **environ):
    with pytest.raises(ConfigError) as caught:
        load(sources, environ)
    return [str(problem) for problem in caught.value.problems]


def debug(*sources, **environ):
    return load(sources, environ).exporters["debug"]


@pytest.mark.parametrize(
    "over",
    [
        "set:exporters.debug.verbosity=detailed",
        "yaml:exporters::debug::verbosity: detailed",
        "yaml:exporters: {debug: {verbosity: detailed}}",
        "set:exporters.debug={verbosity: detailed}",
        "set:exporters.debug.verbosity=${env:LOUD}",
        "env:OVER",
    ],
)
def test_a_later_source_changes_what_it_names_and_nothing_else(base, over):
    config = debug(base, over, LOUD="detailed", OVER="exporters: {debug: {verbosity: detailed}}")
    assert (config.verbosity, config.sampling_initial) == ("detailed", 5)


def test_a_list_is_replaced_as_a_whole(base):
    over = "yaml:{exporters: {file: {path: out}}, service: {pipelines: {traces: {exporters: [file, debug]}}}}"
    assert load([base, over], {}).pipelines["traces"].exporters == ("file", "debug")


@pytest.mark.parametrize("source", ["file:{}", "{}", "env:BASE", "yaml:" + BASE])
def test_a_configuration_comes_from_a_file_a_variable_or_the_command_line(base, source):
    assert debug(source.format(base) if "{}" in source else source, BASE=BASE).sampling_initial == 5


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.yaml", "nowhere.yaml:1:1 the file cannot be read: No such file or directory"),
        ("env:NOWHERE", "env:NOWHERE:1:1 the environment variable NOWHERE is not set"),
        (
            "https://a/b.yaml",
            (
                'https://a/b.yaml:1:1 a configuration cannot be read from "https:"; '
                "give a path, file:PATH, env:NAME or yaml:TEXT"
            ),
        ),
        (
            "set:exporters",
            "--set exporters:1:1 key.path=value was expected, such as exporters.debug.verbosity=detailed",
        ),
    ],
)
def test_a_source_that_cannot_be_read_is_told(base, source, said):
    assert problems(base, source) == [said]


def test_a_file_that_is_not_text_is_told(tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    assert problems(str(path)) == [f"{path}:1:1 the file cannot be read: it is not UTF-8 text"]


@pytest.mark.parametrize(
    ("environ", "exporters"),
    [
        pytest.param({}, {"clickhouse": "chdb://./data"}, id="nothing"),
        pytest.param({"OTTERY_DATA": "/d"}, {"clickhouse": "chdb:///d"}, id="another directory"),
        pytest.param({"CLICKHOUSE_URL": "http://c:8123"}, {"clickhouse": "http://c:8123"}, id="a server"),
        pytest.param({"TELEMETRY_TRANSPORT": "console"}, {"debug": None}, id="the console"),
        pytest.param(
            {"TELEMETRY_TRANSPORT": "embedded", "CLICKHOUSE_URL": "http://c:8123"},
            {"clickhouse": "chdb://./data"},
            id="the engine, although there is a server",
        ),
    ],
)
def test_the_environment_chooses_the_default(environ, exporters):
    found = load([], environ).exporters
    assert {name: getattr(config, "endpoint", None) for name, config in found.items()} == exporters


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"TELEMETRY_TRANSPORT": "consol"},
            (
                "TELEMETRY_TRANSPORT: one of clickhouse, console, embedded was expected, not 'consol', "
                'did you mean "console"?'
            ),
        ),
        (
            {"TELEMETRY_TRANSPORT": "clickhouse"},
            "CLICKHOUSE_URL: TELEMETRY_TRANSPORT=clickhouse needs it, such as http://localhost:8123",
        ),
    ],
)
def test_an_environment_that_makes_no_sense_is_told(environ, said):
    assert f"environment:1:1 {said}" in problems(**environ)


def test_values_are_set_on_the_default_too():
    found = load(["set:exporters.clickhouse.ttl=72h"], {}).exporters["clickhouse"]
    assert found.ttl == 72 * 3600
