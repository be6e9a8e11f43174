"""Kafka's errors, sorted by what happens next."""

from __future__ import annotations

import re

from confluent_kafka import KafkaError, KafkaException

from collector.api import Fatal, OtteryError, Permanent, Retryable
from exporters.kafka.client import ClientConfig

_SIZE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_ROWS = frozenset({KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG, KafkaError.POLICY_VIOLATION})
_OPERATOR = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the library's public name of its own errors
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError.INVALID_CONFIG,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - as above
        KafkaError._SSL,  # noqa: SLF001 - as above
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
_SIGN_IN = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001 - as above
_NO_BEARER = "Failed to acquire SASL OAUTHBEARER token"
_NO_ANSWER = re.compile(r"[Cc]onnect|resolve|timed out")
"""What the words have where the token endpoint gave no answer, which may pass."""


class TooLargeRecord(Permanent):
    """The broker takes smaller records only."""


def classify(error: KafkaError, place: str) -> OtteryError:
    """Return what an error means for the record that met it at `place`, its topic or the brokers."""
    return _sorted(error, f"{place}: {error.str()}")


def without_token(error: KafkaError) -> bool:
    """Whether it says that a token could not be had, or was of no use."""
    return _NO_BEARER in error.str()


def unreachable(error: KafkaError, config: ClientConfig, no_token: KafkaError | None = None) -> OtteryError:
    """Return why no broker takes us, with what to look at where it is about signing in.

    `no_token` is the last `without_token` error: the library tells it once, and goes on with the token that it has.
    """
    message = f"{', '.join(config.brokers)}: {error.str()}"
    if error.code() not in _SIGN_IN or config.auth.sasl is None:
        return _sorted(error, message)
    message = f"{message}; {config.auth.sasl.advice(without_token=without_token(error))}"
    if without_token(error) and _NO_ANSWER.search(error.str()):
        return Retryable(message, kind="no_token")
    if no_token is not None and not without_token(error):
        message = f"{message}; the last time that it could not be renewed: {no_token.str()}"
    return Fatal(message)


def _sorted(error: KafkaError, message: str) -> OtteryError:
    code = error.code()
    kind = f"kafka_{error.name().lower().lstrip('_')}"
    if code in _SIZE:
        return TooLargeRecord(message, kind="message_too_large")
    if code in _ROWS:
        return Permanent(message, kind=kind)
    if code in _OPERATOR:
        return Fatal(message)
    return Retryable(message, kind=kind)


def cause(error: KafkaException) -> KafkaError:
    """Return the error inside an exception of the client library."""
    found = error.args[0]
    return found if isinstance(found, KafkaError) else KafkaError(KafkaError.UNKNOWN, str(found))
