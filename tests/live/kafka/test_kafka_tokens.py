"""Signing in with OAuth tokens that a real broker checks: who gets in, who does not and why, and for how long."""

import asyncio
import contextlib
import re
import time

import pytest

from collector.api import Delivery, Fatal, Retryable, Signal, State
from collector.testing import RecordingLog, RecordingMetrics, sample_batch
from exporters.kafka.metrics import RECORDS
from tests.live.kafka.broker import free_ports
from tests.live.kafka.consumers import eventually, new_group, receiving, until_committed
from tests.live.kafka.exporting import exporter
from tests.live.kafka.other_client import ends, read, write
from tests.live.kafka.tokens import CLIENT, SECRET, Issuer, TokenEndpoint

LIFETIME = 20.0
"""Seconds that a token lives in the test of renewals. The client looks once a second whether four fifths are over, and
signs in again when nine tenths are: the new token must be there by then."""


@pytest.fixture
def endpoint(broker):
    with TokenEndpoint(broker.issuer).serving() as serving:
        yield serving


def oauth(url, secret=SECRET, **more):
    bearer = {"token_endpoint_url": url, "client_id": CLIENT, "client_secret": secret, **more}
    return {"sasl": {"mechanism": "OAUTHBEARER", "oauthbearer": bearer}}


def written(broker, topic):
    return asyncio.to_thread(ends, broker.address, topic)


async def test_exporter_receiver_and_dead_letters_sign_in_with_tokens(broker, endpoint, topic):
    auth, group = oauth(endpoint.url, scope="telemetry"), new_group()
    async with exporter(broker.oauth, auth=auth, traces={"topic": topic}) as kafka:
        await kafka.push(Delivery(sample_batch(Signal.TRACES, 3), "t1"))
    await asyncio.to_thread(write, broker.address, topic, [b"\xff\xff\xff"])
    async with receiving(broker.oauth, auth=auth, group=group, traces={"topics": [topic]}) as consumers:
        await consumers[Signal.TRACES].arrived(3)
        await until_committed(broker.address, group, topic, 2)
    (letter,) = await asyncio.to_thread(read, broker.address, f"{topic}.dlq", 1)
    assert letter.value == b"\xff\xff\xff"
    assert endpoint.requests[0] == {"grant_type": ["client_credentials"], "scope": ["telemetry"]}


NOT_TAKEN = "does not take the token of {url}: .*scope, and at which issuer, audience and lifetime"
WRONG = {
    "wrong secret": "no such client or secret.*; look at {url} and",
    "expired": "Must supply an unexpired token.*; look at {url} and",
    "for another audience": NOT_TAKEN,
    "signed by a stranger": NOT_TAKEN,
}


def wrong(how, endpoint, folder):
    """Let the endpoint hand out wrong tokens, or none; return a pattern of what is to be said, and the `auth` block."""
    makers = {
        "expired": lambda: endpoint.issuer.token(-10),
        "for another audience": lambda: endpoint.issuer.token(aud="somebody else"),
        "signed by a stranger": Issuer(folder).token,
    }
    endpoint.make = makers.get(how, endpoint.make)
    return WRONG[how].format(url=endpoint.url), oauth(endpoint.url, "wrong" if how == "wrong secret" else SECRET)


@pytest.mark.parametrize("how", WRONG)
async def test_a_token_that_cannot_be_had_or_used_is_an_operators_matter_and_said_so(
    broker, endpoint, topic, tmp_path, how
):
    words, auth = wrong(how, endpoint, tmp_path)
    async with exporter(broker.oauth, auth=auth, timeout="2s", traces={"topic": topic}) as kafka:
        with pytest.raises(Fatal, match=f"{broker.oauth}: .*{words}"):
            await kafka.push(Delivery(sample_batch(Signal.TRACES), "t1"))
    assert await written(broker, topic) == {0: 0}


@pytest.mark.parametrize("how", ["wrong secret", "for another audience"])
async def test_a_receiver_says_why_it_may_not_read(broker, endpoint, topic, tmp_path, how):
    words, auth = wrong(how, endpoint, tmp_path)
    async with receiving(broker.oauth, auth=auth, traces={"topics": [topic]}) as running:
        await eventually(lambda: bool(running.report.states))
    state, said = running.report.states[0]
    assert (state, bool(re.search(words, said))) == (State.FAILED, True), said


async def test_a_token_is_renewed_before_it_expires_and_nobody_notices(broker, endpoint, topic):
    """The broker ends connections whose token has expired, unless they have signed in again."""
    endpoint.make = lambda: endpoint.issuer.token(LIFETIME)
    auth, log, end = oauth(endpoint.url), RecordingLog(), time.time() + LIFETIME
    async with (
        exporter(broker.oauth, log=log, auth=auth, traces={"topic": topic}) as kafka,
        receiving(broker.oauth, auth=auth, traces={"topics": [topic]}) as consumers,
    ):
        for token in (1, 2):
            await asyncio.to_thread(endpoint.asked, 2 * token)
            await kafka.push(Delivery(sample_batch(Signal.TRACES, 1), f"t{token}"))
            await consumers[Signal.TRACES].arrived(token)
        await eventually(lambda: time.time() > end + 1)
        await kafka.push(Delivery(sample_batch(Signal.TRACES, 1), "t3"))
        await consumers[Signal.TRACES].arrived(3)
    words = [str(values) for *_, values in (*log.lines, *consumers.log.lines)]
    words += [message for _, message in consumers.report.states]
    assert [line for line in words if "SASL" in line or "token" in line] == []
    assert await written(broker, topic) == {0: 3}


async def test_a_token_that_is_no_longer_renewed_names_the_endpoints_words_when_it_expires(broker, endpoint, topic):
    endpoint.make = lambda: endpoint.issuer.token(3)
    async with exporter(broker.oauth, auth=oauth(endpoint.url), timeout="2s", traces={"topic": topic}) as kafka:
        await kafka.push(Delivery(sample_batch(Signal.TRACES, 1), "t0"))
        endpoint.refusal = (401, {"error": "invalid_client", "error_description": "revoked"})
        await asyncio.to_thread(endpoint.asked, 2)
        number, told = 1, ""
        delivery = Delivery(sample_batch(Signal.TRACES, 1), "t1")
        while "could not be renewed" not in told:
            try:
                await kafka.push(delivery)
            except (Fatal, Retryable) as refused:
                told = str(refused)
            else:
                number += 1
                delivery = Delivery(delivery.batch, f"t{number}")
        assert re.search(rf"does not take the token of {endpoint.url}: .*could not be renewed: .*revoked", told)
        endpoint.refusal = None
        while not delivery.done:
            with contextlib.suppress(Fatal, Retryable):
                await kafka.push(delivery)
    assert await written(broker, topic) == {0: number + 1}


async def test_a_token_endpoint_that_comes_back_ends_the_retries_and_nothing_arrives_twice(broker, topic):
    (port,) = free_ports(1)
    endpoint = TokenEndpoint(broker.issuer)
    url = f"http://127.0.0.1:{port}/token"
    auth, delivery = oauth(url), Delivery(sample_batch(Signal.TRACES, 2), "t1")
    async with exporter(broker.oauth, auth=auth, timeout="1s", traces={"topic": topic}) as kafka:
        for _ in range(2):
            with pytest.raises(Retryable, match=rf"127.0.0.1:{port} .*connect.*; look at {url}"):
                await kafka.push(delivery)
        with endpoint.serving(port):
            await asyncio.to_thread(endpoint.asked, 1)
            await kafka.push(delivery)
    assert await written(broker, topic) == {0: 1}


async def test_an_attempt_that_may_not_be_repeated_names_the_cause_and_leaves_nothing_under_way(
    broker, endpoint, topic
):
    recorded = RecordingMetrics()
    config = {"auth": oauth(endpoint.url, "wrong"), "timeout": "3s", "retry_on_failure": {"enabled": False}}
    async with exporter(broker.oauth, recorded=recorded, traces={"topic": topic}, **config) as kafka:
        with pytest.raises(Fatal, match=r"no such client or secret.*; look at"):
            await kafka.push(Delivery(sample_batch(Signal.TRACES), "t1"))
        failed = {"exporter": "kafka", "topic": topic, "outcome": "failure"}
        assert recorded.value(RECORDS, **failed) == 1
    assert await written(broker, topic) == {0: 0}
