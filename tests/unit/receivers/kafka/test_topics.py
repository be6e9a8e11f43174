import pytest
from pydantic import ValidationError

from collector.api import Signal
from collector.receivers.kafka.config import KafkaReceiverConfig
from collector.receivers.kafka.topics import Kind, Next, Topics
from collector.testing import RecordingLog

ALL = frozenset(Signal)


def _topics(signals=ALL, **config):
    return Topics(KafkaReceiverConfig.model_validate(config), signals)


def test_topics_of_the_signals_that_a_pipeline_takes_are_read_with_their_retry_topics():
    topics = _topics(frozenset({Signal.LOGS}), dead_letters={"retry_delays": ["1s"]}, logs={"topics": ["a", "^b.c$"]})
    assert topics.subscription() == ["a", "a.retry.1s", "^b.c$", r"^(b.c)\.retry\.1s$"]


def test_topics_are_those_of_contrib_where_none_are_named():
    config = {"dead_letters": {"retry_delays": []}}
    assert _topics(**config).subscription() == ["otlp_logs", "otlp_metrics", "otlp_spans"]


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        pytest.param("plain", Kind("plain", Signal.LOGS, "raw"), id="by name"),
        pytest.param("shop.a", Kind("shop.a", Signal.TRACES, "otlp_proto"), id="by pattern"),
        pytest.param("plain.retry.30s", Kind("plain", Signal.LOGS, "otlp_proto", 1), id="first retry"),
        pytest.param("shop.a.retry.1h", Kind("shop.a", Signal.TRACES, "otlp_proto", 3), id="last retry of a pattern"),
        pytest.param("other.retry.30s", None, id="somebody else's retry"),
        pytest.param("other", None, id="somebody else's"),
    ],
)
def test_a_topic_is_known_by_its_name(topic, kind):
    topics = _topics(traces={"topics": [r"^shop\..*"]}, logs={"topics": ["plain"], "encoding": "raw"})
    assert topics.kind(topic) == kind


@pytest.mark.parametrize(
    ("level", "goes"),
    [
        (0, Next("t.retry.30s", 30.0)),
        (1, Next("t.retry.5m", 300.0)),
        (2, Next("t.retry.1h", 3600.0)),
        (3, Next("t.dlq", None)),
    ],
)
def test_refused_rows_go_one_topic_on_and_end_with_the_dead_letters(level, goes):
    assert _topics().after(Kind("t", Signal.TRACES, "otlp_proto", level)) == goes


def test_dead_letter_topics_and_hidden_ones_do_not_exist_for_the_consumer():
    properties = KafkaReceiverConfig().properties(RecordingLog(), ["^secret"])
    assert properties["topic.blacklist"] == r"^.*\.dlq$,^secret"


APP = {
    "logs": {"topics": [r"^app\..*"], "exclude_topics": [r"^app\.traces$", "^app.x{1,2}$"]},
    "traces": {"topics": ["app.traces"]},
}


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        pytest.param("app.traces", Kind("app.traces", Signal.TRACES, "otlp_proto"), id="read for another signal"),
        pytest.param(
            "app.traces.retry.30s", Kind("app.traces", Signal.TRACES, "otlp_proto", 1), id="and so are its retries"
        ),
        pytest.param("app.xx", None, id="a pattern with a comma"),
        pytest.param("app.xx.retry.30s", None, id="retries of what is excluded"),
        pytest.param("app.xxx", Kind("app.xxx", Signal.LOGS, "otlp_proto"), id="not excluded"),
    ],
)
def test_a_topic_is_excluded_for_the_signal_that_says_so(topic, kind):
    assert _topics(**APP).kind(topic) == kind


@pytest.mark.parametrize(
    ("signals", "config", "hidden"),
    [
        pytest.param(ALL, APP, [], id="one that another signal needs, and one with a comma"),
        pytest.param(frozenset({Signal.LOGS}), APP, [r"^app\.traces$"], id="the other signal is not read"),
        pytest.param(
            ALL, {"logs": {"topics": ["^a"], "exclude_topics": ["^ab"]}}, ["^ab"], id="others have names that differ"
        ),
        pytest.param(
            ALL, {"logs": {"exclude_topics": [r"spans\.retry"]}}, [], id="the retries of another signal match"
        ),
        pytest.param(
            ALL,
            {"logs": {"topics": ["^a"], "exclude_topics": ["^ab"]}, "traces": {"topics": ["^b"]}},
            [],
            id="another signal has a pattern, which may match",
        ),
        pytest.param(
            ALL,
            {
                "logs": {"topics": ["^a"], "exclude_topics": ["^ab"]},
                "traces": {"topics": ["^b"], "exclude_topics": ["^ab"]},
            },
            ["^ab"],
            id="every signal with a pattern excludes it",
        ),
    ],
)
def test_only_what_no_signal_needs_is_hidden_from_the_consumer(signals, config, hidden):
    assert _topics(signals, **config).hidden() == hidden


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"traces": {"topics": ["t"]}, "logs": {"topics": ["t"]}}, "topic t is read for", id="twice"),
        pytest.param({"dead_letters": {"topic": "dead"}}, r"topic needs \{topic\}", id="one topic for all"),
        pytest.param({"dead_letters": {"retry_delays": ["soon"]}}, "a duration such as 200ms", id="no duration"),
        pytest.param({"traces": {"encoding": "raw"}}, "'otlp_proto' or 'otlp_json'", id="raw traces"),
        pytest.param({"logs": {"exclude_topics": ["^("]}}, r"'\^\(' is not a regular expression", id="no pattern"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(config, message):
    with pytest.raises(ValidationError, match=message):
        KafkaReceiverConfig.model_validate(config)
