"""ClickHouse behind TLS, as a gateway in front of it gives it."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from collector.api import Retryable, Signal
from tests.live.certificates import Authority
from tests.live.clickhouse.conftest import exporting, sample


@asynccontextmanager
async def _gateway(target, pair, client_ca=None):
    """Take TLS connections and forward what comes through them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.load_cert_chain(pair["cert_file"], pair["key_file"])
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED

    async def forward(reader, writer):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def serve(reader, writer):
        there, back = await asyncio.open_connection(*target)
        try:
            await asyncio.gather(forward(reader, back), forward(there, writer))
        except OSError:
            pass
        finally:
            back.transport.abort()
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.mark.parametrize(
    ("form", "keys"),
    [
        ("https://localhost:{}", {"ca_file": True}),
        ("clickhouse://localhost:{}?secure=true", {"ca_file": True}),
        ("https://localhost:{}", {"insecure_skip_verify": True}),
        ("https://localhost:{}?skip_verify=true", {}),
        ("https://127.0.0.1:{}", {"ca_file": True, "server_name_override": "localhost"}),
    ],
    ids=["https", "secure", "unverified", "unverified-parameter", "other-name"],
)
async def test_a_server_behind_tls_is_written_to(http_store, clickhouse, authority, form, keys):
    if keys.get("ca_file"):
        keys = {**keys, "ca_file": str(authority.ca)}
    async with _gateway(("127.0.0.1", clickhouse.port), authority.pair("server")) as port:
        http_store.endpoint = form.format(port)
        async with exporting(http_store, tls=keys) as exporter:
            await exporter.push(sample(Signal.TRACES))
    assert http_store.count("otel_traces") == 10


async def test_a_server_may_ask_for_a_certificate(http_store, clickhouse, authority):
    async with _gateway(("127.0.0.1", clickhouse.port), authority.pair("server"), str(authority.ca)) as port:
        http_store.endpoint = f"https://localhost:{port}"
        tls = {"ca_file": str(authority.ca), **authority.pair("client")}
        async with exporting(http_store, tls=tls) as exporter:
            await exporter.push(sample(Signal.TRACES))
    assert http_store.count("otel_traces") == 10


async def test_a_server_that_nobody_vouches_for_gets_nothing(http_store, clickhouse, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    async with _gateway(("127.0.0.1", clickhouse.port), authority.pair("server")) as port:
        http_store.endpoint = f"https://localhost:{port}"
        async with exporting(http_store, tls={"ca_file": str(stranger.ca)}, ready=False) as exporter:
            with pytest.raises(Retryable, match="CERTIFICATE_VERIFY_FAILED"):
                await exporter.push(sample(Signal.TRACES))
