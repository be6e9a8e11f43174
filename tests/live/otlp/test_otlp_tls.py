"""TLS, mutual TLS and certificates that are exchanged while the receiver runs, over gRPC and HTTP."""

import asyncio
import ssl
from pathlib import Path

import grpc
import httpx2
import pytest

from collector.api import Fatal, Signal
from collector.testing import sample_request
from tests.live.certificates import Authority
from tests.live.otlp.frames import EXPORT
from tests.live.otlp.raw import drop, raw

PROTO = {"content-type": "application/x-protobuf"}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


async def over_http(otlp, authority, pair=None, highest=ssl.TLSVersion.MAXIMUM_SUPPORTED):
    """Send a sample over HTTPS and return the status and the name of the server's certificate."""
    context = ssl.create_default_context(cafile=authority.ca)
    if pair:
        context.load_cert_chain(pair["cert_file"], pair["key_file"])
    context.maximum_version = highest
    async with httpx2.AsyncClient(verify=context, trust_env=False) as client:
        url = f"https://{otlp.http_host}/v1/traces"
        request = client.build_request("POST", url, content=sample_request(Signal.TRACES), headers=PROTO)
        answer = await client.send(request, stream=True)
        peer = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
        await answer.aclose()
    return answer.status_code, peer["subject"][0][0][1]


async def over_grpc(otlp, authority, pair=None):
    """Send a sample over TLS and return the code."""
    files = (authority.ca, pair["key_file"], pair["cert_file"]) if pair else (authority.ca,)
    credentials = grpc.ssl_channel_credentials(*(Path(file).read_bytes() for file in files))
    async with grpc.aio.secure_channel(otlp.grpc_target, credentials) as channel:
        try:
            await channel.unary_unary(EXPORT)(sample_request(Signal.TRACES), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def both(tls):
    return {"grpc": {"tls": tls}, "http": {"tls": tls}}


async def test_requests_are_taken_over_tls(start_otlp, authority):
    async with start_otlp(**both(authority.pair("server"))) as otlp:
        assert await over_http(otlp, authority) == (200, "server")
        assert await over_grpc(otlp, authority) is grpc.StatusCode.OK
        assert otlp.consumers[Signal.TRACES].items == 6


async def test_the_certificate_may_stand_in_the_configuration(start_otlp, authority):
    pair = authority.pair("server")
    tls = {"cert_pem": Path(pair["cert_file"]).read_text(), "key_pem": Path(pair["key_file"]).read_text()}
    async with start_otlp(**both(tls)) as otlp:
        assert await over_http(otlp, authority) == (200, "server")
        assert await over_grpc(otlp, authority) is grpc.StatusCode.OK


async def test_a_client_that_does_not_speak_tls_is_turned_away_and_others_are_served(start_otlp, authority):
    async with start_otlp(**both(authority.pair("server"))) as otlp:
        async with otlp.client() as client:
            with pytest.raises(httpx2.TransportError):
                await client.post("/v1/traces", content=b"", headers=PROTO)
        async with otlp.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(EXPORT)(b"", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await over_http(otlp, authority) == (200, "server")
        assert await over_grpc(otlp, authority) is grpc.StatusCode.OK


async def test_a_client_that_begins_no_handshake_is_given_up_and_others_are_served(start_otlp, authority):
    async with start_otlp(http={"tls": authority.pair("server")}, protocols=["http"]) as otlp, raw(otlp) as client:
        assert await over_http(otlp, authority) == (200, "server")
        assert await client.answer() is None
        assert otlp.log.lines == []


async def test_only_clients_of_the_authority_are_let_in(start_otlp, authority, tmp_path):
    tls = {**authority.pair("server"), "client_ca_file": str(authority.ca)}
    known, unknown = authority.pair("client"), Authority(tmp_path, "stranger").pair("stranger")
    async with start_otlp(**both(tls)) as otlp:
        for pair in (None, unknown):
            with pytest.raises(httpx2.TransportError):
                await over_http(otlp, authority, pair)
            assert await over_grpc(otlp, authority, pair) is grpc.StatusCode.UNAVAILABLE
        assert await over_http(otlp, authority, known) == (200, "server")
        assert await over_grpc(otlp, authority, known) is grpc.StatusCode.OK


async def test_versions_of_tls_can_be_bounded(start_otlp, authority):
    tls = {**authority.pair("server"), "min_version": "1.3"}
    async with start_otlp(**both(tls)) as otlp:
        with pytest.raises(httpx2.TransportError):
            await over_http(otlp, authority, highest=ssl.TLSVersion.TLSv1_2)
        assert await over_http(otlp, authority) == (200, "server")
        for target, spoken in ((otlp.grpc_target, "h2"), (otlp.http_host, "http/1.1")):
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await agreed(target, authority, ssl.TLSVersion.TLSv1_2)
            assert await agreed(target, authority, ssl.TLSVersion.TLSv1_3) == ("TLSv1.3", spoken)


async def agreed(target, authority, highest):
    """Return the version of TLS and the protocol that a server agrees to."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.maximum_version = highest
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, _, port = target.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="localhost")
    found = writer.get_extra_info("ssl_object")
    said = found.version(), found.selected_alpn_protocol()
    await drop(writer)
    return said


def swap(old, new):
    """Put the files of one pair in the place of another's, as a tool that renews certificates does."""
    for name in old:
        Path(new[name]).replace(old[name])


async def test_new_certificates_are_served_without_a_restart_and_broken_ones_are_not(start_otlp, authority):
    pair = authority.pair("first")
    async with start_otlp(**both({**pair, "reload_interval": "1s"})) as otlp:
        clock = otlp.receiver._settings.clock
        assert await over_http(otlp, authority) == (200, "first")
        swap(pair, authority.pair("second"))
        assert await over_http(otlp, authority) == (200, "first")
        await clock.advance(1)
        assert await over_http(otlp, authority) == (200, "second")
        assert await over_grpc(otlp, authority) is grpc.StatusCode.OK
        Path(pair["cert_file"]).write_text("nonsense")
        await clock.advance(1)
        assert await over_http(otlp, authority) == (200, "second")
        assert await over_grpc(otlp, authority) is grpc.StatusCode.OK
        warnings = [line[1] for line in otlp.log.lines if line[0] == "warning"]
    assert set(warnings) == {"certificates cannot be read, the old ones stay in use"}


async def test_a_new_authority_of_clients_holds_from_the_next_connection(start_otlp, authority, tmp_path):
    other = Authority(tmp_path, "other")
    known, later = authority.pair("known"), other.pair("later")
    clients = tmp_path / "clients.pem"
    clients.write_bytes(authority.ca.read_bytes())
    tls = {**authority.pair("server"), "client_ca_file": str(clients), "client_ca_file_reload": True}
    async with start_otlp(**both(tls)) as otlp:
        assert await over_http(otlp, authority, known) == (200, "server")
        assert await over_grpc(otlp, authority, known) is grpc.StatusCode.OK
        clients.write_bytes(other.ca.read_bytes())
        assert await over_http(otlp, authority, later) == (200, "server")
        assert await over_grpc(otlp, authority, later) is grpc.StatusCode.OK
        with pytest.raises(httpx2.TransportError):
            await over_http(otlp, authority, known)
        assert await over_grpc(otlp, authority, known) is grpc.StatusCode.UNAVAILABLE


async def test_certificates_that_cannot_be_used_are_an_error_at_start(start_otlp, authority, tmp_path):
    pair = {**authority.pair("server"), "key_file": authority.pair("other")["key_file"]}
    for protocol in ("grpc", "http"):
        with pytest.raises(Fatal, match="tls: "):
            async with start_otlp(**both(pair), protocols=[protocol]):
                pytest.fail("it started")
        missing = {**pair, "cert_file": str(tmp_path / "missing.pem")}
        with pytest.raises(Fatal, match=r"tls: .*missing\.pem"):
            async with start_otlp(**both(missing), protocols=[protocol]):
                pytest.fail("it started")
