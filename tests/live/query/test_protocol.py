"""The ClickHouse HTTP protocol as raw requests, as curl sends them."""

import gzip
import json
import zlib

import cramjam
import httpx2
import lz4.frame
import pytest
import zstandard

from collector.query.engine import _STREAMED
from collector.query.native_blocks import pack, unpack


@pytest.fixture
def table(clickhouse):
    clickhouse.command("CREATE OR REPLACE TABLE raw (a UInt64, b String) ENGINE = MergeTree ORDER BY a")

    def rows():
        return [(row["a"], row["b"]) for row in clickhouse.query("SELECT a, b FROM raw ORDER BY a")]

    return rows


@pytest.mark.parametrize("path", ["/ping", "/", "/replicas_status"])
def test_a_probe_is_answered(raw, path):
    answer = raw.get(path)

    assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_a_query_in_the_url_is_answered(raw):
    answer = raw.get(query="SELECT 1 AS a, 'x' AS b")

    assert (answer.status_code, answer.text) == (200, "1\tx\n")


def test_a_query_in_the_body_is_answered(raw):
    answer = raw.post("SELECT 1 AS a, 'x' AS b")

    assert (answer.status_code, answer.text) == (200, "1\tx\n")


def test_a_query_may_begin_in_the_url_and_end_in_the_body(raw):
    answer = raw.post("FROM numbers(3)", query="SELECT count()")

    assert (answer.status_code, answer.text) == (200, "3\n")


def test_a_form_encoded_body_is_taken_as_it_is(raw):
    answer = raw.post("SELECT 'a=b'", headers={"content-type": "application/x-www-form-urlencoded"})

    assert (answer.status_code, answer.text) == (200, "a=b\n")


def test_an_answer_tells_of_itself_in_headers(raw):
    answer = raw.get(query="SELECT number FROM numbers(3)", query_id="mine")

    summary = json.loads(answer.headers["x-clickhouse-summary"])
    assert {name: summary[name] for name in ("read_rows", "result_rows", "written_rows")} == {
        "read_rows": "3",
        "result_rows": "3",
        "written_rows": "0",
    }
    assert int(summary["elapsed_ns"]) > 0
    assert answer.headers["x-clickhouse-query-id"] == "mine"
    assert answer.headers["x-clickhouse-format"] == "TabSeparated"
    assert answer.headers["x-clickhouse-timezone"]
    assert answer.headers["x-clickhouse-server-display-name"]
    assert answer.headers["content-type"] == "text/tab-separated-values; charset=UTF-8"
    assert "x-clickhouse-exception-code" not in answer.headers


def test_a_query_id_is_made_where_none_is_given(raw):
    first, second = raw.get(query="SELECT 1"), raw.get(query="SELECT 1")

    assert first.headers["x-clickhouse-query-id"] != second.headers["x-clickhouse-query-id"]


@pytest.mark.parametrize(
    ("sql", "params", "headers", "form"),
    [
        pytest.param("SELECT 1 AS a", {"default_format": "JSONEachRow"}, {}, "JSONEachRow", id="default_format"),
        pytest.param("SELECT 1 AS a", {}, {"x-clickhouse-format": "JSONEachRow"}, "JSONEachRow", id="header"),
        pytest.param("SELECT 1 AS a FORMAT JSONEachRow", {}, {}, "JSONEachRow", id="clause"),
        pytest.param("SELECT 1 AS a FORMAT JSONEachRow;", {}, {}, "JSONEachRow", id="clause and semicolon"),
        pytest.param(
            "SELECT 1 AS a FORMAT JSONEachRow SETTINGS max_threads = 1", {}, {}, "JSONEachRow", id="clause and settings"
        ),
        pytest.param(
            "SELECT 1 AS a FORMAT JSONEachRow", {"default_format": "TSV"}, {}, "JSONEachRow", id="clause over default"
        ),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(raw, sql, params, headers, form):
    answer = raw.post(sql, headers=headers, **params)

    assert (answer.text, answer.headers["x-clickhouse-format"]) == ('{"a":1}\n', form)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("CSVWithNames", '"a","b"\n1,"x"\n'),
        ("TSVWithNamesAndTypes", "a\tb\nUInt8\tString\n1\tx\n"),
        ("JSONCompactEachRow", '[1, "x"]\n'),
        ("Values", "(1,'x')"),
        ("Vertical", "Row 1:\n──────\na: 1\nb: x\n"),
        ("Null", ""),
    ],
)
def test_formats_are_the_engines(raw, form, expected):
    assert raw.get(query=f"SELECT 1 AS a, 'x' AS b FORMAT {form}").text == expected


@pytest.mark.parametrize(
    ("form", "mark", "count"),
    [
        ("JSON", b'"meta":', 1),
        ("JSONCompact", b'"rows":', 1),
        ("Parquet", b"PAR1", 2),
        ("ArrowStream", b"number", 1),
        ("TSVWithNames", b"number\n", 1),
        ("XML", b"<?xml", 1),
    ],
)
def test_a_large_result_has_one_head_and_one_foot(raw, form, mark, count):
    answer = raw.get(query=f"SELECT number FROM numbers(400000) FORMAT {form}")

    assert len(answer.content) > 10_000
    assert answer.content.count(mark) == count


@pytest.mark.parametrize("form", sorted(_STREAMED))
def test_a_streamed_result_is_the_same_as_a_whole_one(raw, form):
    sql = f"SELECT number, 'some \"text\"' AS b, toNullable(number) FROM numbers(200000) FORMAT {form}"
    settings = {"max_threads": "1", "max_block_size": "65536"}

    streamed, whole = raw.get(query=sql, **settings), raw.get(query=sql, wait_end_of_query="1", **settings)

    assert (streamed.status_code, whole.status_code) == (200, 200)
    assert (streamed.headers.get("transfer-encoding"), "content-length" in whole.headers) == ("chunked", True)
    assert streamed.content == whole.content


def test_parameters_are_bound(raw):
    answer = raw.get(
        query="SELECT {a:UInt8} + 1, {b:String}, {c:Array(String)}",
        param_a="41",
        param_b="it's \\\\ {x}",
        param_c="['x','y']",
    )

    assert answer.text == "42\tit\\'s \\\\ {x}\t['x','y']\n"


def test_a_missing_parameter_is_an_error(raw):
    answer = raw.get(query="SELECT {a:UInt8}")

    assert answer.headers["x-clickhouse-exception-code"] == "456"
    assert "Substitution `a` is not set" in answer.text


def test_the_database_is_the_one_that_was_asked_for(raw, clickhouse):
    clickhouse.command("CREATE DATABASE IF NOT EXISTS `other-one`")

    assert raw.get(query="SELECT currentDatabase()").text == "default\n"
    assert raw.get(query="SELECT currentDatabase()", database="other-one").text == "other-one\n"
    answer = raw.post("SELECT currentDatabase()", headers={"x-clickhouse-database": "other-one"})
    assert answer.text == "other-one\n"


def test_settings_hold_for_one_request(raw):
    assert raw.get(query="SELECT getSetting('max_block_size')", max_block_size="123").text == "123\n"
    assert raw.get(query="SELECT getSetting('max_block_size')").text != "123\n"


def test_a_session_id_is_ignored(raw):
    raw.post("CREATE TEMPORARY TABLE of_a_session (a UInt8)", session_id="one")

    assert raw.get(query="SELECT 1", session_id="one").text == "1\n"
    answer = raw.get(query="SELECT * FROM of_a_session", session_id="one")
    assert answer.headers["x-clickhouse-exception-code"] == "60"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        pytest.param("SELEC 1", 400, 62, "SYNTAX_ERROR", id="syntax"),
        pytest.param("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR", id="two statements"),
        pytest.param("   ", 400, 62, "SYNTAX_ERROR", id="nothing"),
        pytest.param("SELECT * FROM nowhere", 404, 60, "UNKNOWN_TABLE", id="table"),
        pytest.param("SELECT nothing", 404, 47, "UNKNOWN_IDENTIFIER", id="column"),
        pytest.param("SELECT nosuch()", 404, 46, "UNKNOWN_FUNCTION", id="function"),
        pytest.param("SELECT * FROM nowhere.t", 404, 81, "UNKNOWN_DATABASE", id="database"),
        pytest.param("SELECT 1 FORMAT Nothing", 404, 73, "UNKNOWN_FORMAT", id="format"),
        pytest.param("SELECT 1 SETTINGS nothing = 1", 404, 115, "UNKNOWN_SETTING", id="setting"),
        pytest.param("SELECT toUInt8('x')", 400, 6, "CANNOT_PARSE_TEXT", id="value"),
        pytest.param("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", id="throw"),
    ],
)
def test_an_error_has_clickhouses_status_code_and_text(raw, sql, status, code, name):
    answer = raw.post(sql)

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (status, str(code))
    assert answer.text.startswith(f"Code: {code}. DB::")
    assert f"({name}) (version " in answer.text
    assert answer.text.endswith(")\n")
    assert "Traceback" not in answer.text


def test_an_unknown_setting_in_the_url_is_an_error(raw):
    answer = raw.get(query="SELECT 1", nothing="1")

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "115")


def test_get_only_reads(raw, table):
    answer = raw.get(query="INSERT INTO raw VALUES (1, 'x')")

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, "164")
    assert table() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(raw, method):
    answer = raw.client.request(method, "/", params={"query": "SELECT 1"})

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (400, "408")


def test_an_unknown_path_is_not_found(raw):
    answer = raw.get("/nothing")

    assert (answer.status_code, answer.text.startswith("Code: 60. ")) == (404, True)


def test_a_form_holds_parameters_that_are_too_long_for_a_url(raw):
    parts = {"query": (None, "SELECT length({a:String}), {b:String}"), "param_a": (None, "x" * 300_000)}

    answer = raw.client.post("/", params={"param_b": "y"}, files=parts)

    assert (answer.status_code, answer.text) == (200, "300000\ty\n")


def test_external_tables_are_refused_in_words(raw):
    answer = raw.client.post("/", params={"query": "SELECT * FROM t"}, files={"t": ("t.tsv", b"1\n")})

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (501, "48")
    assert "external tables are not supported" in answer.text


INSERTS = [
    pytest.param("INSERT INTO raw FORMAT TSV\n1\tx\n2\ty\n", {}, id="text and rows in the body"),
    pytest.param("INSERT INTO raw FORMAT TSV 1\tx\n2\ty\n", {}, id="rows after a space"),
    pytest.param("INSERT INTO raw FORMAT CSV\r\n1,x\r\n2,y\r\n", {}, id="lines of Windows"),
    pytest.param("1\tx\n2\ty\n", {"query": "INSERT INTO raw FORMAT TSV"}, id="text in the URL"),
    pytest.param("1\tx\n2\ty\n", {"query": "INSERT INTO raw (a, b) FORMAT TabSeparated"}, id="columns"),
    pytest.param('{"a":1,"b":"x"}\n{"a":2,"b":"y"}', {"query": "insert into raw format JSONEachRow"}, id="JSON"),
    pytest.param("INSERT INTO raw VALUES (1, 'x'), (2, 'y')", {}, id="values"),
    pytest.param("(1, 'x'), (2, 'y')", {"query": "INSERT INTO raw VALUES"}, id="values in the body"),
    pytest.param("INSERT INTO raw FORMAT Values (1, 'x'), (2, 'y')", {}, id="values as a format"),
    pytest.param("INSERT INTO raw SELECT number + 1, ['x', 'y'][number + 1] FROM numbers(2)", {}, id="select"),
    pytest.param(
        "INSERT INTO raw (* EXCEPT (b)) SETTINGS async_insert = 0 FORMAT TSV\n1\n2\n", {}, id="settings and except"
    ),
    pytest.param("/* INSERT */ INSERT INTO TABLE `raw` FORMAT TSV\n1\tx\n2\ty\n", {}, id="comment and quotes"),
]


@pytest.mark.parametrize(("body", "params"), INSERTS)
def test_rows_are_inserted_however_they_come(raw, table, body, params):
    answer = raw.post(body, **params)

    assert (answer.status_code, answer.text) == (200, "")
    assert [a for a, _ in table()] == [1, 2]
    if "EXCEPT" not in body:
        assert [b for _, b in table()] == ["x", "y"]


def test_an_insert_tells_what_it_wrote(raw, table):
    answer = raw.post("INSERT INTO raw FORMAT TSV\n1\tx\n2\ty\n")

    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "2"


def test_rows_that_are_no_text_are_inserted(raw, table, clickhouse):
    answer = raw.post(b"\x01" + bytes(7) + b"\x03\xff\x00\n", query="INSERT INTO raw FORMAT RowBinary")

    assert answer.status_code == 200
    assert clickhouse.query("SELECT hex(b) AS b FROM raw") == [{"b": "FF000A"}]


def test_an_insert_without_rows_inserts_none(raw, table):
    assert raw.post("INSERT INTO raw FORMAT TSV\n").status_code == 200
    assert table() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("INSERT INTO raw FORMAT TSV\nx\ty\n", "27", id="row"),
        pytest.param("INSERT INTO nowhere FORMAT TSV\n1\tx\n", "60", id="table"),
        pytest.param("INSERT INTO raw (c) FORMAT TSV\n1\n", "16", id="column"),
        pytest.param("INSERT INTO raw FORMAT Nothing\n1\n", "73", id="format"),
        pytest.param("INSERT INTO raw FORMAT JSONEachRow\n{", "33", id="cut"),
    ],
)
def test_a_failed_insert_has_its_code_and_writes_nothing(raw, table, body, code):
    answer = raw.post(body)

    assert (answer.status_code >= 400, answer.headers["x-clickhouse-exception-code"]) == (True, code)
    assert table() == []


def test_a_token_keeps_an_insert_from_being_stored_twice(raw, clickhouse):
    clickhouse.command(
        "CREATE OR REPLACE TABLE once (a UInt64) ENGINE = MergeTree ORDER BY a"
        " SETTINGS non_replicated_deduplication_window = 100"
    )
    for _ in range(2):
        raw.post("INSERT INTO once FORMAT TSV\n1\n", insert_deduplication_token="t", async_insert="0")
    raw.post("INSERT INTO once FORMAT TSV\n1\n", insert_deduplication_token="u", async_insert="0")

    assert clickhouse.query("SELECT count() AS n FROM once") == [{"n": 2}]


ROWS = b"1\tx\n2\ty\n"
ENCODED = {
    "gzip": gzip.compress(ROWS),
    "deflate": zlib.compress(ROWS),
    "zstd": zstandard.compress(ROWS),
    "lz4": lz4.frame.compress(ROWS),
    "br": bytes(cramjam.brotli.compress(ROWS)),
    "snappy": bytes(cramjam.snappy.compress(ROWS)),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_compressed_body_is_read(raw, table, encoding):
    headers = {"content-encoding": encoding}

    answer = raw.post(ENCODED[encoding], headers=headers, query="INSERT INTO raw FORMAT TSV")

    assert (answer.status_code, table()) == (200, [(1, "x"), (2, "y")])


@pytest.mark.parametrize("method", ["LZ4", "ZSTD"])
def test_a_body_in_clickhouses_own_compression_is_read(raw, table, method):
    answer = raw.post(b"".join(pack(ROWS, method)), query="INSERT INTO raw FORMAT TSV", decompress="1")

    assert (answer.status_code, table()) == (200, [(1, "x"), (2, "y")])


@pytest.mark.parametrize("encoding", [*ENCODED, "own"])
def test_a_body_that_is_not_what_its_encoding_says_is_refused(raw, table, encoding):
    headers = {"content-encoding": encoding} if encoding != "own" else {}
    params = {"decompress": "1"} if encoding == "own" else {}

    answer = raw.post(b"\x00\x01not compressed at all", headers=headers, query="INSERT INTO raw FORMAT TSV", **params)

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (400, "271")
    assert table() == []


def test_an_unknown_encoding_is_refused_in_words(raw):
    answer = raw.post(b"x", headers={"content-encoding": "rot13"}, query="INSERT INTO raw FORMAT TSV")

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (415, "89")
    assert "'rot13': one of gzip, deflate, zstd, lz4, snappy, br was expected" in answer.text


SELECT = "SELECT number, 'some text' FROM numbers(300000)"
DECODERS = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    "lz4": lz4.frame.decompress,
    "br": lambda body: bytes(cramjam.brotli.decompress(body)),
}


@pytest.fixture(scope="module")
def plain(raw):
    answer = raw.get(query=SELECT)
    assert "content-encoding" not in answer.headers
    return answer.content


@pytest.mark.parametrize("form", ["TSV", "TSVRaw"], ids=["streamed", "whole"])
@pytest.mark.parametrize("encoding", DECODERS)
def test_an_answer_is_compressed_as_the_client_accepts_it(raw, plain, encoding, form):
    headers = {"accept-encoding": f"identity;q=0.1, {encoding}"}
    request = raw.client.build_request("GET", "/", params={"query": f"{SELECT} FORMAT {form}"}, headers=headers)

    answer = raw.client.send(request, stream=True)
    body = b"".join(answer.iter_raw())

    assert answer.headers["content-encoding"] == encoding
    assert len(body) < len(plain) / 2
    assert DECODERS[encoding](body) == plain


@pytest.mark.parametrize("method", ["LZ4", "ZSTD"])
def test_an_answer_is_in_clickhouses_own_compression_where_asked_for(raw, plain, method):
    answer = raw.get(query=SELECT, compress="1", network_compression_method=method)

    assert unpack(answer.content, 1 << 30, lambda _size: None) == plain


def test_an_error_is_in_clickhouses_own_compression_where_asked_for(raw):
    answer = raw.get(query="SELECT * FROM nowhere", compress="1")

    assert unpack(answer.content, 1 << 20, lambda _size: None).startswith(b"Code: 60. ")


def test_an_answer_is_not_compressed_where_that_is_switched_off(raw, plain):
    answer = raw.get(query=SELECT, headers={"accept-encoding": "gzip"}, enable_http_compression="0")

    assert ("content-encoding" in answer.headers, answer.content) == (False, plain)


def test_a_large_result_is_sent_in_pieces_while_it_is_made(raw):
    with raw.client.stream("GET", "/", params={"query": "SELECT number FROM numbers(100000000000)"}) as answer:
        pieces = answer.iter_raw()
        assert next(pieces).startswith(b"0\n1\n2\n")
        assert answer.headers["transfer-encoding"] == "chunked"

    assert raw.get(query="SELECT 1").text == "1\n"


def test_an_error_in_the_middle_of_a_result_breaks_it_off_with_its_reason(raw):
    sql = "SELECT number, throwIf(number = 9000000) FROM numbers(10000000)"
    pieces = []
    with (
        raw.client.stream("GET", "/", params={"query": sql}) as answer,
        pytest.raises(httpx2.RemoteProtocolError, match="incomplete"),
    ):
        pieces.extend(answer.iter_raw())
    body = b"".join(pieces)

    tag = answer.headers["x-clickhouse-exception-tag"]
    assert answer.status_code == 200
    assert body.endswith(f" {tag}\r\n__exception__\r\n".encode())
    assert f"\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Exception: ".encode() in body


def test_a_result_is_whole_where_the_client_waits_for_its_end(raw):
    sql = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000)"

    answer = raw.get(query=sql, wait_end_of_query="1")

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, "395")


@pytest.mark.parametrize("level", ["1", "2"])
def test_a_client_may_lock_itself_out_of_writing(raw, level, table):
    answer = raw.post("INSERT INTO raw VALUES (1, 'x')", readonly=level)

    assert answer.headers["x-clickhouse-exception-code"] == "164"
    assert raw.get(query="SELECT 1", readonly=level).text == "1\n"
    assert table() == []


def test_no_page_of_another_origin_may_read_an_answer(raw):
    answer = raw.get(query="SELECT 1", headers={"origin": "https://evil.example"})

    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_hostile_heads_are_refused(raw):
    many = {f"param_p{number}": "x" for number in range(1001)}

    assert raw.get(query="SELECT 1", **many).headers["x-clickhouse-exception-code"] == "408"
    assert raw.client.get("/?query=%ff%fe").status_code == 400
    assert raw.get(query="SELECT 1", **{"a b": "1"}).headers["x-clickhouse-exception-code"] == "115"
    injected = raw.get(query="SELECT 1", query_id="x\r\nset-cookie: a=b\u20ac")
    assert injected.headers["x-clickhouse-query-id"] == "x??set-cookie: a=b?"
    assert raw.get(query="SELECT 1", default_format="x\r\nset-cookie: a=b").status_code == 404
