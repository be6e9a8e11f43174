import json
import logging
import sys
import warnings

import pytest

from collector.api import Fatal
from collector.telemetry.config import LogsConfig
from collector.telemetry.logs import configure


@pytest.fixture(autouse=True)
def root():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield root
    logging.captureWarnings(capture=False)
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ottery.log"


@pytest.fixture
def log(path):
    return lambda **fields: configure(LogsConfig(output_paths=(str(path),), **fields))


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_json_line_begins_with_time_level_and_message(log, path):
    log().info("listening", endpoint="localhost:4317", port=4317)
    [line] = lines(path)
    assert list(line) == ["ts", "level", "msg", "endpoint", "port"]
    assert list(line.values())[1:] == ["info", "listening", "localhost:4317", 4317]


def test_console_lines_are_for_reading(log, path):
    log(encoding="console").warning("sink is down", exporter="clickhouse")
    said = path.read_text()
    assert "[warning  ] sink is down" in said
    assert "exporter=clickhouse" in said


@pytest.mark.parametrize(("level", "said"), [("debug", "abc"), ("info", "bc"), ("ERROR", "c")])
def test_lines_below_the_level_are_not_written(log, path, level, said):
    logger = log(level=level)
    logger.debug("a")
    logger.info("b")
    logger.error("c")
    assert "".join(line["msg"] for line in lines(path)) == said


def test_libraries_write_through_the_same_log_from_warnings_on(log, path):
    log()
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("port %d is odd", 7)
    assert [(line["level"], line["msg"]) for line in lines(path)] == [("warning", "port 7 is odd")]


def test_python_warnings_are_lines_too(log, path):
    log()
    warnings.showwarning("old way", UserWarning, "a.py", 1)
    assert "UserWarning: old way" in lines(path)[0]["msg"]


def test_every_line_has_the_initial_fields(log, path):
    log(initial_fields={"cluster": "eu"}).info("up")
    assert lines(path)[0]["cluster"] == "eu"


def test_payloads_do_not_get_into_the_log(log, path):
    log().error("bad request", body=b"secret", text="x" * 5000)
    [line] = lines(path)
    assert (line["body"], line["text"]) == ("<6 bytes>", "x" * 2000 + "... (5000 characters)")


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda log, text: log.error(text), id="message"),
        pytest.param(lambda log, text: log.error("bad", name=text), id="value"),
        pytest.param(lambda _log, text: logging.getLogger("some.library").error(text), id="library"),
    ],
)
def test_a_console_line_cannot_be_forged_with_a_newline(log, path, write):
    write(log(encoding="console"), "x\n2026-01-01 [info] all is well\x1b[2J")
    said = path.read_text()
    assert (len(said.splitlines()), "\x1b" in said) == (1, False)


def test_a_failure_is_written_with_where_it_happened(log, path):
    logger = log()
    try:
        int("x")
    except ValueError as error:
        logger.error("push failed", exc_info=error)
    assert lines(path)[0]["exception"].endswith("invalid literal for int() with base 10: 'x'")


def test_repeated_lines_are_summed_up_at_the_latest_when_the_process_ends(log, path, root):
    logger = log()
    for attempt in range(8):
        logger.warning("sink is down", component="clickhouse", attempt=attempt)
    root.handlers[0].flush()
    assert [line["msg"] for line in lines(path)[4:]] == ["sink is down", "sink is down (again 3 times)"]


def test_lines_go_to_every_output_and_by_default_to_standard_error(tmp_path, root):
    paths = tmp_path / "a.log", tmp_path / "b.log"
    configure(LogsConfig(output_paths=tuple(map(str, paths)))).info("up")
    assert paths[0].read_text() == paths[1].read_text() != ""
    configure(LogsConfig())
    assert root.handlers[0]._target.stream is sys.stderr


def test_a_log_file_that_cannot_be_opened_is_an_error_that_names_it(tmp_path):
    with pytest.raises(Fatal, match=r"output_paths: cannot write .*/none/ottery\.log: No such file or directory"):
        configure(LogsConfig(output_paths=(str(tmp_path / "none" / "ottery.log"),)))
