"""Random statements around a way to a file: whatever is put before and behind it, the file is not read."""

import contextlib

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from collector.query.config import ClickHouseServerConfig
from collector.query.engine import Engine
from collector.query.failure import Failure
from collector.query.statement import Query

_NOISE = st.sampled_from(
    [
        *["'", '"', "`", "\\", "''", '""', "``", "\u2018", "\u2019", "\u201c", "\u201d", "$", "$a$", "$$", "--", "//"],
        *["#", "# ", "#!", "/*", "*/", "\n", " ", "\t", "\u00a0", "\x00", ";", ",", "(", ")", "[", "]", "{", "}", "::"],
        *["SELECT ", " AS ", " FROM ", " WHERE ", " WITH ", " UNION ALL ", " SETTINGS ", " FORMAT ", "EXPLAIN ", "0x"],
        *[
            "{p:String}",
            "{t:Identifier}",
            "x'",
            "b'",
            "\\'",
            "\\x27",
            "1",
            "a",
            "t",
            ".",
            "*",
            " APPLY ",
            "->",
            "\ufeff",
        ],
    ]
)
_WAYS = st.sampled_from(
    [
        *[
            "file({p})",
            "`file`({p})",
            '"file"({p})',
            "* FROM file({p})",
            "* FROM {t}",
            "* APPLY(file) FROM (SELECT {p})",
        ],
        *[
            "arrayMap(file, [{p}])",
            "\u201cfile\u201d({p})",
            "1 INTO OUTFILE {out}",
            "* FROM {p}",
            "dictGet({p}, 'b', 1)",
        ],
        *["file {p}", "(file)({p})", "file\n({p})", "`f\\x69le`({p})", "* FROM merge('default', 'secret.*')"],
    ]
)


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fuzz")
    (directory / "secret.csv").write_text("a,b\n1,hunter2\n")
    return directory / "secret.csv"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    pytest.importorskip("chdb", reason="the embedded engine is not installed: pip install 'ottery[embedded]'")
    engine = Engine(ClickHouseServerConfig(path=str(tmp_path_factory.mktemp("engine")), timeout=5.0))
    yield engine
    engine.close()


@hypothesis_settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_NOISE, max_size=6), _WAYS, st.lists(_NOISE, max_size=6))
def test_a_file_is_not_read_whatever_stands_around_it(engine, secret, before, way, behind):
    path, out = f"'{secret}'", f"'{secret}.out'"
    core = way.replace("{p}", path).replace("{t}", f"`{secret}`").replace("{out}", out)
    parameters = {"p": str(secret), "t": str(secret)}

    for words in (["SELECT ", *before, core, *behind], [*before, "SELECT ", core, *behind]):
        with contextlib.suppress(Failure):
            answer = engine.run(Query("".join(words).encode(), parameters=parameters))
            assert b"hunter2" not in b"".join(answer.chunks), words

    assert [path.name for path in secret.parent.iterdir()] == ["secret.csv"], words


_DEEP = {
    "brackets": "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
    "arrays": "SELECT " + "[" * 100_000 + "1" + "]" * 100_000,
    "operators": "SELECT " + "NOT " * 60_000 + "1",
    "sums": "SELECT 1" + "+1" * 100_000,
    "subqueries": "SELECT * FROM (" * 10_000 + "SELECT 1" + ")" * 10_000,
    "calls": "SELECT " + "abs(" * 50_000 + "1" + ")" * 50_000,
    "casts": "SELECT 1" + "::Int8" * 40_000,
    "types": "SELECT CAST(1 AS " + "Array(" * 30_000 + "Int8" + ")" * 30_000 + ")",
    "joins": "SELECT 1 FROM t AS a " + " ".join(f"JOIN t AS t{number} ON 1" for number in range(2_000)),
    "names": "SELECT a" + ".a" * 100_000,
    "explains": "EXPLAIN " * 30_000 + "SELECT 1",
    "a parameter's type": "SELECT {p:" + "Array(" * 30_000 + "Int8" + ")" * 30_000 + "}",
    "a parameter's value": "SELECT {p:Array(Array(String))}",
}


@pytest.mark.parametrize("sql", _DEEP.values(), ids=_DEEP)
@pytest.mark.parametrize("depth", [{}, {"max_parser_depth": "0"}], ids=["", "no depth asked for"])
def test_a_deep_statement_is_refused_and_the_process_lives_on(engine, sql, depth):
    with pytest.raises(Failure):
        engine.run(Query(sql.encode(), settings=depth, parameters={"p": "[" * 200_000}))

    assert engine.run(Query(b"SELECT 1")).chunks == [b"1\n"]
