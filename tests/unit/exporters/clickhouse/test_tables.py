from types import SimpleNamespace

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from collector.storage.clickhouse import Schema
from collector.testing import RecordingLog
from exporters.clickhouse.tables import Tables

DESCRIPTION = [("Timestamp", "DateTime64(9)", "", ""), ("Items", "Array(String)", "ALIAS", "x")]


class _Server:
    """Answers a `DESCRIBE` with two columns; each of `errors` is raised by one query that begins so."""

    server_version = "26.9.2.1"

    def __init__(self, uri="http://a:8123", **errors):
        self.uri = uri
        self.errors = errors
        self.asked = []

    def command(self, statement, settings=None):
        self.asked.append(" ".join(statement.split()[:2]))

    def query(self, statement, parameters=None):
        verb = statement.split()[0]
        self.asked.append(verb)
        if verb in self.errors:
            raise self.errors.pop(verb)
        return SimpleNamespace(result_rows=DESCRIPTION if verb == "DESCRIBE" else [])


MADE = ["CREATE DATABASE", *["CREATE TABLE"] * 8, "CREATE MATERIALIZED", "WITH"]


@pytest.fixture
def log():
    return RecordingLog()


@pytest.fixture
def tables(log):
    return Tables(Schema(database="otel"), log, create=True)


def test_tables_are_made_and_looked_at_once_for_each_server(tables):
    first, second = _Server(), _Server("http://b:8123")
    for server in (first, first, second):
        tables.ready(server)
        assert tables.layout(server, "logs") == {"Timestamp": "DateTime64(9)"}
    assert first.asked == second.asked == [*MADE, "DESCRIBE"]


def test_a_failed_look_is_not_remembered(tables):
    server = _Server(DESCRIBE=DatabaseError("Code: 60", code=60))
    with pytest.raises(DatabaseError):
        tables.layout(server, "logs")
    assert tables.layout(server, "logs") == {"Timestamp": "DateTime64(9)"}
    assert server.asked == [*MADE, "DESCRIBE", "DESCRIBE"]


def test_what_is_forgotten_is_made_and_looked_at_again(tables):
    server = _Server()
    for _ in range(2):
        tables.layout(server, "traces")
        tables.forget()
    assert server.asked == [*MADE, "DESCRIBE"] * 2


def test_without_create_nothing_is_made(log):
    server = _Server()
    Tables(Schema(), log, create=False).layout(server, "logs")
    assert server.asked == ["WITH", "DESCRIBE"]


def test_a_server_that_cannot_tell_of_its_tables_is_written_to_all_the_same(tables, log):
    server = _Server(WITH=DatabaseError("Unknown function arrayZip", code=46))
    tables.ready(server)
    tables.ready(server)
    assert server.asked == MADE
    assert log.lines == [
        ("warning", "cannot tell whether the tables remember inserts", {"reason": "Unknown function arrayZip"})
    ]


def test_a_server_that_goes_away_meanwhile_is_asked_again(tables):
    server = _Server(WITH=OperationalError("connection reset"))
    with pytest.raises(OperationalError):
        tables.ready(server)
    tables.ready(server)
    assert server.asked == MADE * 2


def test_names_are_quoted(log):
    tables = Tables(Schema(database="my db", tables={"logs": "a`b"}), log, create=False)
    assert tables.name("logs") == "`my db`.`a\\`b`"
