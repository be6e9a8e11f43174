"""Names of TLS 1.2 cipher suites: the IANA ones that configuration has, and OpenSSL's."""

from __future__ import annotations

from typing import Final

_SUITES: Final = {
    f"TLS_ECDHE_{key}_WITH_{name}": f"ECDHE-{key}-{openssl}"
    for key in ("ECDSA", "RSA")
    for name, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("CHACHA20_POLY1305", "CHACHA20-POLY1305"),
    )
}
_ALWAYS_ON: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def openssl_name(name: str) -> str:
    """Return OpenSSL's name of a suite of TLS 1.2, or no characters for one of TLS 1.3.

    Raises ValueError for every other: those without forward secrecy or with CBC are not served.
    """
    if name in _ALWAYS_ON:
        return ""
    if name not in _SUITES:
        raise ValueError(f"{name!r} is not served; there are {', '.join(_SUITES)}")
    return _SUITES[name]
