"""What is known of a statement before the engine reads it."""

import time

import pytest

from collector.query.sql import (
    first_word,
    identifier,
    output_format,
    quoted,
    split_insert,
    split_settings,
    tokens,
    words,
)


def test_tokens_leave_out_spaces_comments_and_strings():
    sql = b"SELECT a.`b c`, \"d\"\"e\", 'it''s \\' x', 1.5 /* f */ -- g\n FROM h # i\n WHERE j=1"

    assert [token.text for token in tokens(sql)] == [
        *["SELECT", "a", ".", "b c", ",", 'd""e', ",", ",", "1.5", "FROM", "h", "WHERE", "j", "=", "1"]
    ]


def test_what_is_left_open_goes_on_to_the_end():
    assert [token.text for token in tokens(b"SELECT 'a, file(b)")] == ["SELECT"]
    assert [token.text for token in tokens(b"SELECT /* a, file(b)")] == ["SELECT"]
    assert [token.text for token in tokens(b"SELECT `a, file(b)")] == ["SELECT", "a, file(b"]


@pytest.mark.parametrize(
    "part", [b"'", b'"', b"`", b"$a$", b"$1", b"/*", b"--", b"\\'", b"'\\", b"((", b"a", b"\xe2\x80\x98", b"\x00"]
)
def test_hostile_statements_are_read_in_linear_time(part):
    sql = b"INSERT INTO t " + part * 50_000
    started = time.process_time()

    split_insert(sql)
    list(tokens(sql))

    assert time.process_time() - started < 5


INSERTS = [
    (b"INSERT INTO t FORMAT TSV\n1\n2", b"INSERT INTO t ", "TSV", b"1\n2"),
    (b"insert into t format TSV 1", b"insert into t ", "TSV", b"1"),
    (b"INSERT INTO t FORMAT TSV  \t\n\n1", b"INSERT INTO t ", "TSV", b"\n1"),
    (b"INSERT INTO t FORMAT TSV\r\n1", b"INSERT INTO t ", "TSV", b"1"),
    (b"INSERT INTO t FORMAT TSV", b"INSERT INTO t ", "TSV", b""),
    (b"INSERT INTO t FORMAT Native\n\xff\x00FORMAT TSV", b"INSERT INTO t ", "Native", b"\xff\x00FORMAT TSV"),
    (b'INSERT INTO `FORMAT x` (`VALUES`, "SELECT") FORMAT CSV\n1', None, "CSV", b"1"),
    (b"INSERT INTO t (* EXCEPT (a)) SETTINGS x = 'FORMAT y' FORMAT CSV\n1", None, "CSV", b"1"),
    (b"/* FORMAT x */ INSERT INTO t -- FORMAT y\n FORMAT CSV 1", None, "CSV", b"1"),
    (b"INSERT INTO FUNCTION f('x', (SELECT 1 FORMAT y)) FORMAT CSV\n1", None, "CSV", b"1"),
]


@pytest.mark.parametrize(("text", "statement", "form", "data"), INSERTS, ids=[repr(case[0]) for case in INSERTS])
def test_an_insert_is_parted_from_its_rows(text, statement, form, data):
    insert = split_insert(text)

    assert (insert.format, bytes(insert.data)) == (form, data)
    assert insert.statement == (statement or text[: text.rindex(b"FORMAT " + form.encode())])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SELECT 1 FORMAT TSV",
        b"INSERT INTO t VALUES (1)",
        b"INSERT INTO t FORMAT VALUES (1)",
        b"INSERT INTO t SELECT 1 FORMAT TSV",
        b"INSERT INTO t WITH 1 AS a SELECT a FORMAT TSV",
        b"INSERT INTO t FROM INFILE 'x' FORMAT TSV",
        b"INSERT INTO t; SELECT 1 FORMAT TSV",
        b"INSERT INTO t (a",
        b"INSERT INTO t FORMAT",
        b"EXPLAIN INSERT INTO t FORMAT TSV\n1",
    ],
    ids=repr,
)
def test_other_statements_are_left_whole(text):
    assert split_insert(text) is None


@pytest.mark.parametrize(
    ("sql", "kept", "settings"),
    [
        ("SELECT 1", "SELECT 1", {}),
        ("SELECT 1 SETTINGS a = 1", "SELECT 1", {"a": "1"}),
        ("SELECT 1\nSETTINGS a=1, b = 'x y' , c=-0.5;\n", "SELECT 1", {"a": "1", "b": "x y", "c": "-0.5"}),
        ("SELECT 1 settings a = 1 FORMAT JSON", "SELECT 1 FORMAT JSON", {"a": "1"}),
        ("SELECT 1 FORMAT JSON SETTINGS a = 1", "SELECT 1 FORMAT JSON", {"a": "1"}),
        ("SELECT * FROM (SELECT 1 SETTINGS a = 1)", "SELECT * FROM (SELECT 1 SETTINGS a = 1)", {}),
        ("SELECT 1 SETTINGS a = 'x\\'y'", "SELECT 1 SETTINGS a = 'x\\'y'", {}),
        ("SELECT settings", "SELECT settings", {}),
    ],
)
def test_a_trailing_settings_clause_is_taken_off(sql, kept, settings):
    assert split_settings(sql) == (kept, settings)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (b"SELECT 1", None),
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1 format JSON;", "JSON"),
        (b"SELECT 1 FORMAT JSON SETTINGS a = 1", "JSON"),
        (b"SELECT 'x FORMAT CSV' FORMAT JSON -- FORMAT TSV", "JSON"),
        (b"SELECT 'x FORMAT CSV'", None),
    ],
)
def test_the_format_is_found(sql, expected):
    assert output_format(sql) == expected


def test_the_first_word_is_found_behind_brackets_and_comments():
    assert first_word(b"/* a */ -- b\n ((select 1))") == "SELECT"
    assert first_word(b"  ") == ""


def test_words_are_lower_case_and_without_strings():
    assert words("SELECT `A`, 'b' FROM C") == {"select", "a", "from", "c"}


def test_quotes_cannot_be_left():
    assert quoted("a'b\\") == "'a\\'b\\\\'"
    assert identifier("a`b\\") == "`a\\`b\\\\`"
