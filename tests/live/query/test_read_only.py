"""A read-only server under hostile requests: it neither writes nor reaches files, the network or the process."""

import pytest


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    path = tmp_path_factory.mktemp("secret") / "secret.csv"
    path.write_text("a,b\n1,hunter2\n")
    return path


@pytest.fixture(scope="module")
def bait(read_only):
    """A file where a name without a path would find it."""
    path = read_only.server.directory / "bait.csv"
    path.write_text("a,b\n1,hunter2\n")
    return path


WRITES = [
    "INSERT INTO t VALUES (3, 'z')",
    "INSERT INTO t FORMAT TSV\n3\tz\n",
    "INSERT INTO t (a, b) SELECT 3, 'z'",
    "/* a */ -- b\nINSERT INTO t VALUES (3, 'z')",
    "CREATE TABLE x (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a UInt8)",
    "CREATE VIEW x AS SELECT 1",
    "CREATE FUNCTION x AS (a) -> file(a)",
    "CREATE DATABASE x",
    "DROP TABLE t",
    "TRUNCATE TABLE t",
    "ALTER TABLE t DELETE WHERE 1",
    "RENAME TABLE t TO u",
    "OPTIMIZE TABLE t",
    "DETACH TABLE t",
    "DELETE FROM t WHERE 1",
    "UPDATE t SET b = 'z' WHERE 1",
    "SYSTEM FLUSH LOGS",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "BACKUP TABLE t TO File('/tmp/x')",
    "GRANT ALL ON *.* TO default",
    "USE system",
    "SET max_threads = 1",
    "SET readonly = 0",
    "SELECT 1; DROP TABLE t",
    "SELECT 1; SELECT 2",
    "EXPLAIN AST SELECT 1; DROP TABLE t",
    "DROP TABLE t -- SELECT",
    "WITH 1 AS x INSERT INTO t SELECT x, 'z'",
]


@pytest.mark.parametrize("sql", WRITES)
def test_a_statement_that_changes_anything_is_refused(read_only, sql):
    answer = read_only.post(sql)

    assert answer.headers["x-clickhouse-exception-code"] in ("164", "62", "497"), answer.text
    assert read_only.get(query="SELECT count() FROM t").text == "2\n"
    assert read_only.get(query="EXISTS TABLE x").text == "0\n"


REACHES = [
    "SELECT * FROM file('{path}')",
    "SELECT * FROM file('{path}', 'LineAsString')",
    "SELECT * FROM `file`('{path}')",
    "SELECT * FROM \"file\"('{path}')",
    "SELECT * FROM \u201cfile\u201d('{path}')",
    "SELECT * FROM `f\\x69le`('{path}')",
    "SELECT file('{path}')",
    "SELECT file /* a */ ('{path}')",
    "SELECT `file`('{path}')",
    "SELECT `\\x66ile`('{path}')",
    "SELECT \u2018'\u2019, file('{path}'), \u2018'\u2019",
    'SELECT \u201c"\u201d, file(\'{path}\'), \u201c"\u201d FROM (SELECT 1 AS `"`)',
    "SELECT 1 AS $a$, file('{path}'), 2 AS $b$",
    "SELECT $a$'$a$, file('{path}'), $a$'$a$",
    "SELECT 1 // '\n, file('{path}') // '",
    "SELECT 1 -- '\n, file('{path}') -- '",
    "SELECT 1 #! '\n, file('{path}') #! '",
    "SELECT '/*', file('{path}'), '*/'",
    "SELECT 1 /* /* */, file('{path}') /* */",
    "SELECT '\\\\', file('{path}'), '\\\\'",
    "SELECT 'a''', file('{path}'), '''a'",
    "file('{path}')",
    "SELECT arrayMap(file, ['{path}'])",
    "SELECT arrayMap(x -> file(x), ['{path}'])",
    "SELECT * APPLY(file) FROM (SELECT '{path}')",
    "SELECT * APPLY file FROM (SELECT '{path}')",
    "WITH (SELECT file('{path}')) AS x SELECT x",
    "EXPLAIN SELECT file('{path}')",
    "EXPLAIN ESTIMATE SELECT * FROM file('{path}')",
    "SELECT * FROM (EXPLAIN SELECT file('{path}'))",
    "DESCRIBE TABLE file('{path}')",
    "DESC file('{path}')",
    "DESCRIBE (SELECT * FROM file('{path}'))",
    "SELECT * FROM `{path}`",
    "SELECT * FROM '{path}'",
    "SELECT * FROM default.`{path}`",
    "SELECT * FROM bait.csv",
    "SELECT * FROM `bait.csv`",
    "SELECT 1 IN `bait.csv`",
    "DESCRIBE TABLE `bait.csv`",
    "SHOW CREATE TABLE `bait.csv`",
    "SELECT hasColumnInTable('default', 'bait.csv', 'a')",
    "SELECT dictGet('bait.csv', 'b', 1)",
    "SELECT dictGetOrDefault('bait.csv', 'b', 1, '')",
    "SELECT dictHas('bait.csv', 1)",
    "SELECT joinGet('bait.csv', 'b', 1)",
    "SELECT * FROM dictionary('bait.csv')",
    "SELECT * FROM merge('default', 'bait.*')",
    "SELECT * FROM loop('bait.csv') LIMIT 1",
    "SELECT * FROM view(SELECT * FROM file('{path}'))",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT file('{path}')))",
    "SELECT * FROM eval('SELECT file(''{path}'')') SETTINGS allow_experimental_eval_table_function = 1",
    "SELECT * FROM filesystem('{path}')",
    "SELECT * FROM sqlite('{path}', 't')",
    "SELECT * FROM executable('{path}', 'TSV', 'a String')",
    "SELECT * FROM format(CSV, '1') SETTINGS format_schema = '{path}'",
    "SELECT 1 AS a FORMAT Template SETTINGS format_template_resultset = '{path}'",
    "SELECT 1 INTO OUTFILE '{path}.out'",
    "SELECT 1 INTO OUTFILE '{path}' TRUNCATE",
    "(SELECT 1 INTO OUTFILE '{path}.out')",
    "SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '{path}.out'",
    "INSERT INTO FUNCTION file('{path}.out', 'CSV', 'a UInt8') VALUES (1)",
    "SELECT * FROM python(x)",
    "SELECT * FROM Python(x)",
    "SELECT * FROM arrowstream('1')",
    "SELECT * FROM query",
    "SELECT * FROM config",
    "SELECT * FROM input('a UInt8')",
    "SELECT catboostEvaluate('{path}', 1)",
    "SELECT aiGenerate('x', 'y')",
    "SELECT getClientHTTPHeader('authorization')",
]


@pytest.mark.parametrize("sql", REACHES)
def test_files_and_the_process_are_out_of_reach(read_only, secret, bait, sql):
    answer = read_only.post(sql.replace("{path}", str(secret)))

    assert answer.status_code >= 400, answer.text
    assert "hunter2" not in answer.text
    assert sorted(path.name for path in secret.parent.iterdir()) == ["secret.csv"]
    assert secret.read_text() == "a,b\n1,hunter2\n"


NETWORK = [
    "SELECT * FROM url('http://{there}/x.csv', 'CSV', 'a String')",
    "SELECT * FROM url('http://{there}/x.csv')",
    "DESCRIBE TABLE url('http://{there}/x.csv')",
    "DESCRIBE url('http://{there}/x.csv')",
    "SELECT * FROM (DESCRIBE TABLE url('http://{there}/x.csv'))",
    "SELECT * FROM urlCluster('default', 'http://{there}/x.csv')",
    "SELECT * FROM s3('http://{there}/bucket/x.csv')",
    "DESCRIBE TABLE s3('http://{there}/bucket/x.csv', 'CSV')",
    "SELECT * FROM iceberg('http://{there}/bucket/x/')",
    "SELECT * FROM deltaLake('http://{there}/bucket/x/')",
    "SELECT * FROM hdfs('hdfs://{there}/x')",
    "SELECT * FROM remote('{there}', default.t)",
    "SELECT * FROM remoteSecure('{there}', default.t)",
    "SELECT * FROM cluster('default', default.t)",
    "SELECT * FROM mysql('{there}', 'd', 't', 'u', 'p')",
    "EXPLAIN TABLE OVERRIDE mysql('{there}', 'd', 't', 'u', 'p') PARTITION BY a",
    "SELECT * FROM postgresql('{there}', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('{there}', 'd', 't', 'u', 'p', 'a String')",
    "SELECT * FROM redis('{there}', 'a', 'a String')",
    "SELECT * FROM odbc('DSN=x', 't')",
    "SELECT * FROM jdbc('jdbc:x://{there}', 't')",
    "SELECT * FROM azureBlobStorage('http://{there}/x', 'c', 'x.csv')",
    "SELECT * FROM arrowFlight('{there}', 'x')",
]


@pytest.mark.parametrize("sql", NETWORK)
def test_the_network_is_out_of_reach(read_only, listener, sql):
    answer = read_only.post(sql.replace("{there}", listener.address))

    assert answer.status_code >= 400, answer.text
    assert listener.contacts() == 0


SETTINGS = [
    {"readonly": "0"},
    {"readonly": "2"},
    {"allow_ddl": "1"},
    {"dialect": "kusto"},
    {"implicit_select": "1"},
    {"format_schema": "x"},
    {"format_template_row": "/etc/hostname"},
    {"allow_introspection_functions": "1"},
    {"allow_experimental_eval_table_function": "1"},
    {"profile": "default"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_setting_that_lifts_the_lock_is_refused(read_only, settings):
    answer = read_only.get(query="SELECT 1", **settings)

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, "164")


@pytest.mark.parametrize(
    "clause", ["SETTINGS readonly = 0", "SETTINGS max_threads = 1, readonly = 2", "SETTINGS dialect = 'prql'"]
)
def test_a_settings_clause_that_lifts_the_lock_is_refused(read_only, clause):
    answer = read_only.post(f"SELECT 1 {clause}")

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, "164")


def test_a_settings_name_cannot_carry_a_statement(read_only):
    answer = read_only.get(query="SELECT 1", **{"max_threads = 1, readonly": "0"})

    assert answer.headers["x-clickhouse-exception-code"] == "115"


@pytest.mark.parametrize("value", ["1', readonly = '0", "1\\', readonly = 0 --"])
def test_a_settings_value_cannot_carry_a_statement(read_only, value):
    answer = read_only.post("INSERT INTO t VALUES (3, 'z')", log_queries_cut_to_length="1", max_block_size=value)

    assert answer.status_code >= 400
    assert read_only.get(query="SELECT count() FROM t").text == "2\n"


def test_a_database_name_cannot_carry_a_statement(read_only):
    answer = read_only.get(query="SELECT 1", database="default`; DROP TABLE t; --")

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "81")
    assert read_only.get(query="SELECT count() FROM t").text == "2\n"


READS = [
    ("SELECT a, b FROM t ORDER BY a", "1\tx\n2\ty\n"),
    ("SELECT a FROM t ORDER BY a DESC LIMIT (1)", "2\n"),
    ("SELECT a AS file_name FROM t WHERE a = 1", "1\n"),
    ("SELECT count() FROM numbers(10)", "10\n"),
    ("SELECT * FROM values('a UInt8', 1, 2)", "1\n2\n"),
    ("SELECT * FROM view(SELECT a FROM t WHERE a = 1)", "1\n"),
    ("SELECT * FROM merge('default', '^t$') WHERE a = 1", "1\tx\n"),
    ("SELECT 'file(x)', 'INTO OUTFILE'", "file(x)\tINTO OUTFILE\n"),
    ("SELECT 1 -- file('x')", "1\n"),
    ("SELECT '\u2018file\u2019', 'tab\there', 'it\\'s'", "\u2018file\u2019\ttab\\there\tit\\'s\n"),
    ("SELECT format('{}-{}', 'a', b) FROM t WHERE a = 1", "a-x\n"),
    ("SHOW TABLES", "go_gzip\ngo_lz4\nt\n"),
    ("EXISTS TABLE t", "1\n"),
    ("DESCRIBE TABLE t FORMAT TSV", "a\tUInt64\t\t\t\t\t\nb\tString\t\t\t\t\t\n"),
    ("SELECT a FROM t WHERE a = 1 SETTINGS max_threads = 1", "1\n"),
    ("SELECT getSetting('max_threads') SETTINGS max_threads = 3 FORMAT TSV", "3\n"),
    ("SELECT getSetting('max_threads') FORMAT TSV SETTINGS max_threads = 3", "3\n"),
    ("SELECT a FROM t WHERE a = 1;", "1\n"),
    ("WITH x AS (SELECT max(a) AS m FROM t) SELECT m FROM x", "2\n"),
    ("SELECT name, value, readonly FROM system.settings WHERE name = 'max_threads' FORMAT Null", ""),
]


@pytest.mark.parametrize(("sql", "expected"), READS, ids=[sql for sql, _ in READS])
def test_what_only_reads_tables_is_answered(read_only, sql, expected):
    answer = read_only.post(sql)

    assert (answer.status_code, answer.text) == (200, expected)
