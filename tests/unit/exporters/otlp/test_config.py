from pathlib import Path

import pytest
from pydantic import ValidationError

from collector.api import ExporterConfig, Signal
from exporters.otlp.config import GrpcConfig, HttpConfig

PAGE = Path(__file__).parents[4] / "docs" / "exporters" / "otlp.md"
KEYS = sorted({*GrpcConfig.model_fields, *HttpConfig.model_fields} - {*ExporterConfig.model_fields})


@pytest.mark.skipif(not PAGE.exists(), reason="no docs beside the tests: they run on the built wheel")
@pytest.mark.parametrize("key", KEYS)
def test_the_page_names_every_key(key):
    assert f"`{key}" in PAGE.read_text()


@pytest.mark.parametrize(
    ("endpoint", "insecure", "targets", "plaintext"),
    [
        pytest.param("host:4317", False, ["host:4317"], False, id="bare"),
        pytest.param("host:4317", True, ["host:4317"], True, id="bare and insecure"),
        pytest.param("http://host:4317", False, ["host:4317"], True, id="http"),
        pytest.param("https://host:4317", True, ["host:4317"], False, id="https and insecure"),
        pytest.param("https://a:1, https://b:2", False, ["a:1", "b:2"], False, id="several"),
        pytest.param("http://a:1,http://b:2,", False, ["a:1", "b:2"], True, id="several without TLS"),
        pytest.param("a:1, https://b:2", False, ["a:1", "b:2"], False, id="bare beside https"),
        pytest.param("a:1, http://b:2", True, ["a:1", "b:2"], True, id="bare and insecure beside http"),
    ],
)
def test_a_grpc_endpoint_names_targets_and_whether_there_is_tls(endpoint, insecure, targets, plaintext):
    config = GrpcConfig(endpoint=endpoint, tls={"insecure": insecure})
    assert (config.targets, config.plaintext) == (targets, plaintext)


@pytest.mark.parametrize(
    ("endpoint", "insecure"),
    [
        pytest.param("http://a:1, https://b:2", False, id="http first"),
        pytest.param("https://a:1, http://b:2", False, id="https first"),
        pytest.param("http://a:1, b:2", False, id="http beside bare"),
        pytest.param("https://a:1, b:2", True, id="https beside bare and insecure"),
    ],
)
def test_grpc_endpoints_with_and_without_tls_do_not_mix(endpoint, insecure):
    words = (
        "endpoints with TLS and without do not mix: give all of them the same scheme, or each an exporter of its own"
    )
    with pytest.raises(ValidationError, match=words):
        GrpcConfig(endpoint=endpoint, tls={"insecure": insecure})


def test_each_http_endpoint_keeps_its_own_scheme():
    config = HttpConfig(endpoint="http://a:1, https://b:2")
    assert config.urls(Signal.TRACES) == ["http://a:1/v1/traces", "https://b:2/v1/traces"]


def test_urls_are_the_base_with_the_path_of_otlp_or_the_signals_own():
    config = HttpConfig(endpoint="http://a:1/, http://b:2/base", logs_endpoint="http://c:3/in")
    assert config.urls(Signal.TRACES) == ["http://a:1/v1/traces", "http://b:2/base/v1/traces"]
    assert config.urls(Signal.LOGS) == ["http://c:3/in"]


def test_a_signal_may_have_nowhere_to_go():
    assert HttpConfig(logs_endpoint="http://c:3/in").urls(Signal.TRACES) == []


@pytest.mark.parametrize(
    ("model", "block", "words"),
    [
        pytest.param(HttpConfig, {}, "endpoint, or an endpoint for each signal, is needed", id="nowhere"),
        pytest.param(HttpConfig, {"endpoint": "host:4318"}, "a URL such as https://collector:4318", id="no URL"),
        pytest.param(GrpcConfig, {"endpoint": ""}, "at least 1 character", id="no endpoint"),
        pytest.param(GrpcConfig, {"endpoint": " , "}, "host:port was expected", id="commas alone"),
        pytest.param(
            GrpcConfig,
            {"endpoint": "a:1", "auth": {"authenticator": "oauth2client"}},
            "there are no authenticator extensions; use headers",
            id="authenticator",
        ),
        pytest.param(
            GrpcConfig, {"endpoint": "a:1", "compression": "zstd"}, "Input should be 'gzip', 'none' or ''", id="zstd"
        ),
        pytest.param(
            HttpConfig,
            {"endpoint": "http://a:1", "tls": {"cert_file": "x.pem"}},
            "cert_file and key_file belong together",
            id="half a certificate",
        ),
        pytest.param(
            GrpcConfig,
            {"endpoint": "a:1", "tls": {"insecure_skip_verify": True}},
            "gRPC for Python always verifies, with TLS 1.2 or 1.3: remove insecure_skip_verify",
            id="gRPC without verification",
        ),
        pytest.param(
            HttpConfig,
            {"endpoint": "http://a:1", "tls": {"server_name_override": "b"}},
            "HTTP verifies the name in the endpoint: remove server_name_override",
            id="HTTP with another name",
        ),
        pytest.param(
            HttpConfig,
            {"endpoint": "http://a:1", "tls": {"ca_file": "a.pem", "ca_pem": "b"}},
            "ca_file and ca_pem exclude each other",
            id="two authorities",
        ),
    ],
)
def test_what_cannot_work_is_an_error_that_says_so(model, block, words):
    with pytest.raises(ValidationError, match=words):
        model.model_validate(block)
