import ssl

import pytest

from collector.receivers.ciphers import openssl_name


@pytest.mark.parametrize(
    ("name", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
    ],
)
def test_a_suite_of_tls_1_2_has_the_name_that_openssl_knows(name, openssl):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(openssl_name(name))
    assert openssl_name(name) == openssl
    assert openssl in {cipher["name"] for cipher in context.get_ciphers()}


def test_a_suite_of_tls_1_3_is_always_on():
    assert openssl_name("TLS_AES_128_GCM_SHA256") == ""


@pytest.mark.parametrize("name", ["TLS_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-GCM-SHA256", "nonsense", ""])
def test_another_suite_is_an_error_that_names_those_there_are(name):
    with pytest.raises(ValueError, match=r"is not served; there are TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "):
        openssl_name(name)
