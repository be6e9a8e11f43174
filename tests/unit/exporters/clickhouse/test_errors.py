import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError, ProgrammingError

from collector.api import Fatal, Permanent, Retryable
from exporters.clickhouse.errors import TooMuch, classify, concerns_schema

PARTITIONS = (
    "Too many partitions for single INSERT block (more than 100). controlled by 'max_partitions_per_insert_block'"
)
PARTS = "Too many parts (3000). Merges are processing significantly slower than inserts"

RETRY = {
    159: "TIMEOUT_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    254: "TOO_MANY_UNEXPECTED_DATA_PARTS",
    265: "SHARD_HAS_NO_CONNECTIONS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    999: "KEEPER_EXCEPTION",
    31337: "SOMETHING_NEW",
}
SMALLER = {173: "CANNOT_ALLOCATE_MEMORY", 241: "MEMORY_LIMIT_EXCEEDED", 307: "TOO_MANY_BYTES"}
ROWS = {
    6: "CANNOT_PARSE_TEXT",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    33: "CANNOT_READ_ALL_DATA",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    131: "TOO_LARGE_STRING_SIZE",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
}
OPERATOR = {
    16: "NO_SUCH_COLUMN_IN_TABLE",
    20: "NUMBER_OF_COLUMNS_DOESNT_MATCH",
    36: "BAD_ARGUMENTS",
    42: "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
    44: "ILLEGAL_COLUMN",
    47: "UNKNOWN_IDENTIFIER",
    48: "NOT_IMPLEMENTED",
    50: "UNKNOWN_TYPE",
    56: "UNKNOWN_STORAGE",
    60: "UNKNOWN_TABLE",
    62: "SYNTAX_ERROR",
    80: "INCORRECT_QUERY",
    81: "UNKNOWN_DATABASE",
    115: "UNKNOWN_SETTING",
    139: "NO_ELEMENTS_IN_CONFIG",
    164: "READONLY",
    170: "BAD_GET",
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    201: "QUOTA_EXCEEDED",
    344: "SUPPORT_IS_DISABLED",
    452: "SETTING_CONSTRAINT_VIOLATION",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
    701: "CLUSTER_DOESNT_EXIST",
}


def _fields(error):
    return type(error), str(error), getattr(error, "kind", None)


@pytest.mark.parametrize(
    ("codes", "kind"), [(RETRY, Retryable), (SMALLER, TooMuch), (ROWS, Permanent), (OPERATOR, Fatal)]
)
def test_the_code_says_what_happens_next(codes, kind):
    found = {code: type(classify(DatabaseError(name, code=code))) for code, name in codes.items()}
    assert found == dict.fromkeys(codes, kind)


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (OperationalError("connection refused"), (Retryable, "connection refused", "network")),
        (
            DatabaseError("HTTP driver received HTTP status 502"),
            (Retryable, "HTTP driver received HTTP status 502", "network"),
        ),
        (
            DatabaseError("HTTP driver received HTTP status 413"),
            (TooMuch, "HTTP driver received HTTP status 413", "size"),
        ),
        (ProgrammingError("Setting x is readonly"), (Fatal, "Setting x is readonly", None)),
        (DatabaseError(PARTS, code=252), (Retryable, PARTS, "parts")),
        (DatabaseError(PARTITIONS, code=252), (TooMuch, PARTITIONS, "partitions")),
        (DatabaseError("memory limit", code=241), (TooMuch, "memory limit", "memory")),
        (DatabaseError("busy", code=202), (Retryable, "busy", "clickhouse_202")),
        (DatabaseError("bad row", code=117), (Permanent, "bad row", "clickhouse_117")),
    ],
    ids=["network", "gateway", "gateway-limit", "client", "parts", "partitions", "memory", "busy", "row"],
)
def test_an_error_keeps_its_words_and_tells_its_kind(error, fields):
    assert _fields(classify(error)) == fields


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Code: 60. Unknown table (for url http://10.0.0.1:8123)", "Code: 60. Unknown table"),
        ("no (version 26.9.2.1 (official build))", "no"),
        ("two\n  lines\tof it", "two lines of it"),
        ("x" * 1000, "x" * 500),
    ],
    ids=["url", "version", "lines", "long"],
)
def test_what_an_operator_reads_is_short_and_has_no_address(text, reason):
    assert str(classify(OperationalError(text))) == reason


@pytest.mark.parametrize(("code", "concerns"), [(60, True), (16, True), (53, True), (241, False), (None, False)])
def test_errors_that_speak_of_tables_let_the_tables_be_looked_at_again(code, concerns):
    error = ClickHouseError("x") if code is None else DatabaseError("x", code=code)
    assert concerns_schema(error) is concerns
