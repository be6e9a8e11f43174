import pytest

from collector.api import BatchConfig

SINK = """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {sink: {endpoint: 'a://b', KEY: VALUE}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [sink]}}}
"""
ENVIRON = {
    "ONE": "1",
    "EMPTY": "",
    "DOLLAR": "x$y${z}",
    "OCTAL": "0123",
    "TRUE": "true",
    "BLOCK": "{a: b}",
    "LIST": "[a]",
    "COLON": "a: b",
    "DASH": "- a",
    "HASH": "#a",
    "NULL": "null",
    "QUOTED": "'a'",
    "ALIAS": "*a",
    "TAG": "!a",
    "BROKEN": "{a",
    "TABBED": "a\tb",
    "LONG": "30s",
    "QUEUE": "{batch: {min_size: 5}}",
}


@pytest.fixture
def sink(loading):
    """Return the exporter's configuration with `value` for `key`, as YAML says it."""

    def load(key, value):
        return loading(SINK.replace("KEY", key).replace("VALUE", value), environ=ENVIRON).exporters["sink"]

    return load


@pytest.fixture
def complaints(loading):
    def load(key, value):
        found = loading.problems(SINK.replace("KEY", key).replace("VALUE", value), environ=ENVIRON)
        return [problem.partition(" ")[2] for problem in found]

    return load


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("${env:ONE}", "1"),
        ("${ONE}", "1"),
        ("a${env:ONE}b${ONE}", "a1b1"),
        ("${env:NO:-d}", "d"),
        ("${env:NO:-}", ""),
        ("${env:NO:-${env:ONE}}", "1"),
        ("${env:EMPTY:-d}", ""),
        ("$${env:ONE}", "${env:ONE}"),
        ("$$ONE", "$ONE"),
        ("$ONE", "$ONE"),
        ("a$", "a$"),
        ("${env:DOLLAR}", "x$y${z}"),
        ("${env:OCTAL}", "0123"),
        ("${env:TRUE}", "true"),
    ],
)
def test_a_reference_is_replaced_by_what_it_names(sink, written, text):
    assert sink("headers", f"{{x: '{written}'}}").headers == {"x": text}


@pytest.mark.parametrize("name", sorted(ENVIRON.keys() - {"EMPTY"}))
def test_what_a_variable_holds_is_text_where_text_is_expected(sink, name):
    assert sink("password", f"'${{env:{name}}}'").password.get_secret_value() == ENVIRON[name]
    assert sink("headers", f"{{x: '${{env:{name}}}'}}").headers == {"x": ENVIRON[name]}
    assert sink("hosts", f"['${{env:{name}}}']").hosts == (ENVIRON[name],)


def test_what_a_variable_holds_has_the_type_that_is_expected_elsewhere(sink):
    assert sink("token", "'${env:ONE}'").token == 1
    assert sink("timeout", "'${env:LONG}'").timeout == 30.0
    assert sink("sending_queue", "'${env:QUEUE}'").sending_queue.batch == BatchConfig(min_size=5)


def test_a_variable_that_is_not_set_leaves_the_default_and_is_told(loading):
    loaded = loading(SINK.replace("KEY", "ratio").replace("VALUE", "'${env:NO}'"))
    assert loaded.exporters["sink"].ratio == 0.5
    assert [notice.text for notice in loaded.notices] == [
        "exporters.sink.ratio: the environment variable NO is not set, so this counts as not written"
    ]
    loaded = loading(SINK.replace("KEY", "password").replace("VALUE", "'a${env:NO}b'"))
    assert loaded.exporters["sink"].password.get_secret_value() == "ab"
    assert [notice.message for notice in loaded.notices] == [
        "the environment variable NO is not set, so there is nothing in its place"
    ]


def test_a_file_is_text_without_its_last_line_break_or_a_block(sink, tmp_path):
    (tmp_path / "secret").write_text("abc\n")
    (tmp_path / "windows").write_bytes(b"abc\r\n")
    (tmp_path / "block.yaml").write_text("batch:\n  min_size: ${env:ONE}\n")
    assert sink("password", f"'${{file:{tmp_path}/secret}}'").password.get_secret_value() == "abc"
    assert sink("password", f"'${{file:{tmp_path}/windows}}'").password.get_secret_value() == "abc"
    assert sink("headers", f"{{x: 'Bearer ${{file:{tmp_path}/secret}}.'}}").headers == {"x": "Bearer abc."}
    queue = sink("sending_queue", f"'${{file:{tmp_path}/block.yaml}}'").sending_queue
    assert queue.batch == BatchConfig(min_size=1)


def test_a_problem_in_an_included_file_is_told_at_its_place_there(complaints, tmp_path):
    (tmp_path / "block.yaml").write_text("batch:\n  min_sizes: 1\n")
    assert complaints("sending_queue", f"'${{file:{tmp_path}/block.yaml}}'") == [
        'exporters.sink.sending_queue.batch.min_sizes: unknown key, did you mean "min_size"?'
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("${env:ONE", 'a "}" is missing after "${"; a plain dollar is written "$$"'),
        ("${1x}", '"1x" is no name of an environment variable'),
        ("${}", '"" is no name of an environment variable'),
        ("${yaml:a}", '"${yaml:...}" is unknown; references are ${env:NAME} and ${file:PATH}'),
        ("${file:/nowhere}", "the file /nowhere cannot be read: No such file or directory"),
        ("${a:-" * 10 + "}" * 10, "references are nested deeper than 8 levels"),
    ],
)
def test_a_reference_that_cannot_be_resolved_is_a_problem(complaints, written, said):
    assert complaints("password", f"'{written}'") == [f"exporters.sink.password: {said}"]


def test_a_value_from_a_variable_is_never_shown(complaints):
    assert complaints("token", "'${env:LONG}'") == [
        "exporters.sink.token: a whole number was expected, not the value of ${env:LONG}"
    ]


def test_a_file_that_includes_itself_is_a_problem(complaints, tmp_path):
    path = tmp_path / "loop.yaml"
    path.write_text(f"batch: ${{file:{path}}}\n")
    assert "includes itself" in complaints("sending_queue", f"'${{file:{path}}}'")[0]
