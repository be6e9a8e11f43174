import pytest
from pydantic import ValidationError

from collector.api import Signal
from collector.testing import RecordingLog
from exporters.kafka.config import KafkaConfig


def _properties(**config):
    properties = KafkaConfig.model_validate(config).properties(RecordingLog())
    del properties["logger"]
    return properties


def test_the_defaults_are_those_of_a_producer_that_loses_and_repeats_nothing():
    assert _properties() == {
        "bootstrap.servers": "localhost:9092",
        "client.id": "otel-collector",
        "client.dns.lookup": "use_all_dns_ips",
        "connections.max.idle.ms": 540_000,
        "topic.metadata.refresh.interval.ms": 600_000,
        "security.protocol": "PLAINTEXT",
        "message.max.bytes": 1_000_000,
        "batch.size": 1_000_000,
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "zstd",
        "compression.level": 1,
        "batch.num.messages": 10_000,
        "allow.auto.create.topics": True,
        "linger.ms": 10.0,
        "partitioner": "fnv1a_random",
        "message.timeout.ms": 0,
    }


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(
            {
                "auth": {"sasl": {"mechanism": "SCRAM-SHA-512", "username": "u", "password": "p"}},
                "tls": {"ca_file": "/ca"},
            },
            {
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": "/ca",
                "enable.ssl.certificate.verification": True,
                "sasl.mechanisms": "SCRAM-SHA-512",
                "sasl.username": "u",
                "sasl.password": "p",
            },
            id="tls and scram",
        ),
        pytest.param(
            {"tls": {"cert_file": "/c", "key_file": "/k", "insecure_skip_verify": True}},
            {
                "security.protocol": "SSL",
                "ssl.certificate.location": "/c",
                "ssl.key.location": "/k",
                "enable.ssl.certificate.verification": False,
            },
            id="mutual tls, unverified",
        ),
        pytest.param(
            {
                "auth": {
                    "sasl": {
                        "mechanism": "OAUTHBEARER",
                        "oauthbearer": {"token_endpoint_url": "https://t", "client_id": "i", "client_secret": "s"},
                    }
                }
            },
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanisms": "OAUTHBEARER",
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.token.endpoint.url": "https://t",
                "sasl.oauthbearer.client.id": "i",
                "sasl.oauthbearer.client.secret": "s",
            },
            id="oauth",
        ),
        pytest.param(
            {"producer": {"required_acks": 1, "compression": "gzip", "compression_params": {"level": 3}}},
            {"acks": "1", "enable.idempotence": False, "compression.type": "gzip", "compression.level": 3},
            id="leader acknowledges",
        ),
        pytest.param({"producer": {"required_acks": -1}}, {"acks": "all"}, id="minus one is all"),
        pytest.param(
            {"record_partitioner": {"sticky_key": {"hasher": "murmur2"}}},
            {"partitioner": "murmur2_random"},
            id="java's hash",
        ),
        pytest.param(
            {"retry_on_failure": {"max_elapsed_time": "60s"}}, {"message.timeout.ms": 60_000}, id="patience ends"
        ),
        pytest.param(
            {"retry_on_failure": {"enabled": False}, "timeout": "3s"}, {"message.timeout.ms": 1700}, id="no patience"
        ),
        pytest.param({"librdkafka": {"linger.ms": 1}}, {"linger.ms": 1}, id="the library's own names win"),
    ],
)
def test_keys_become_properties_of_the_client(config, expected):
    assert _properties(**config).items() >= expected.items()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"brokers": []}, "at least 1 item", id="no broker"),
        pytest.param(
            {"partition_logs_by_trace_id": True, "partition_logs_by_resource_attributes": True},
            "partition_logs_by_resource_attributes and partition_logs_by_trace_id exclude each other",
            id="two keys for logs",
        ),
        pytest.param(
            {"partition_traces_by_id": True, "traces": {"message_key_from_metadata_key": "k"}},
            "partition_traces_by_id and traces.message_key_from_metadata_key exclude each other",
            id="flag and metadata",
        ),
        pytest.param({"auth": {"sasl": {"mechanism": "PLAIN"}}}, "PLAIN needs username and password", id="no password"),
        pytest.param(
            {"auth": {"sasl": {"mechanism": "OAUTHBEARER"}}}, "OAUTHBEARER needs the block oauthbearer", id="no token"
        ),
        pytest.param({"tls": {"cert_file": "/c"}}, "cert_file and key_file belong together", id="half a certificate"),
        pytest.param({"traces": {"encoding": "jaeger_proto"}}, "'otlp_proto' or 'otlp_json'", id="unknown encoding"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(config, message):
    with pytest.raises(ValidationError, match=message):
        KafkaConfig.model_validate(config)


def test_topics_are_those_of_contrib():
    config = KafkaConfig.model_validate({"logs": {"topic": "mine"}})
    assert [config.topic(signal) for signal in Signal] == ["otlp_spans", "otlp_metrics", "mine"]


def test_metadata_that_decides_about_topic_key_or_headers_keeps_requests_apart():
    config = KafkaConfig.model_validate(
        {
            "traces": {"topic_from_metadata_key": "X-Tenant"},
            "logs": {"message_key_from_metadata_key": "user"},
            "include_metadata_keys": ["Plan"],
            "sending_queue": {"batch": {"partition": {"metadata_keys": ["Region"]}}},
        }
    )
    assert config.parting_keys == {"x-tenant", "user", "plan", "region"}
