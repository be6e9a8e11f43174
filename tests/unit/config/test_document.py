import math

import pytest

from collector.config.document import MAX_BYTES, Broken, parse, plain
from collector.config.problems import Findings


def read(text):
    findings = Findings()
    return plain(parse(text, "a.yaml", findings)), [str(problem) for problem in findings.problems]


def refused(text):
    findings = Findings()
    with pytest.raises(Broken):
        parse(text, "a.yaml", findings)
    (problem,) = findings.problems
    return str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("a:", {"a": None}),
        ("a: ~", {"a": None}),
        ("a: yes", {"a": "yes"}),
        ("a: on", {"a": "on"}),
        ("a: true", {"a": True}),
        ("a: 'true'", {"a": "true"}),
        ("a: !!str true", {"a": "true"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 12", {"a": 12}),
        ("a: 1_000", {"a": 1000}),
        ("a: 0o17", {"a": 15}),
        ("a: 0755", {"a": 493}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1.5e3", {"a": 1500.0}),
        ("a: .inf", {"a": math.inf}),
        ("a: 10:30", {"a": "10:30"}),
        ("a: 1.2.3", {"a": "1.2.3"}),
        ("1: a", {"1": "a"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("# only a comment", {}),
    ],
)
def test_a_document_has_the_values_of_yaml_1_2(text, value):
    assert read(text) == (value, [])


def test_a_key_that_stands_twice_is_told_and_the_last_one_counts():
    assert read("a: 1\nb: 2\na: 3") == (
        {"a": 3, "b": 2},
        ["a.yaml:3:1 a: this key stands here twice, first in line 1"],
    )


def test_a_tag_that_asks_for_an_object_is_refused():
    assert read("a: !!python/object:os.system x")[1] == [
        "a.yaml:1:4 a: the YAML tag tag:yaml.org,2002:python/object:os.system is not supported"
    ]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(BOMB, "the document has more than 50000 values, aliases counted in full", id="alias bomb"),
        pytest.param("[" * 70 + "]" * 70, "the document is nested deeper than 64 levels", id="deep"),
        pytest.param("a: " + "x" * MAX_BYTES, "the document is larger than 1 MiB", id="large"),
        pytest.param("a: *b", "a: the alias *b stands before its anchor, or inside it", id="no anchor"),
        pytest.param("a: &b [*b]", "a[0]: the alias *b stands before its anchor, or inside it", id="itself"),
        pytest.param("? [a]\n: b", "a key must be text", id="a list as a key"),
        pytest.param("a: 1\n---\nb: 2", "a second document starts here; a file holds one", id="two documents"),
        pytest.param("a: '", "this is not valid YAML, while scanning a quoted scalar", id="no end"),
        pytest.param("a: \x07", "this is not valid YAML", id="a control character"),
    ],
)
def test_a_document_that_breaks_a_limit_is_refused_at_once(text, said):
    assert said in refused(text)
