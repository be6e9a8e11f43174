"""The helpers that other live tests stand on."""

import socket

import pytest

from tests.live.kafka.other_client import read, write


def test_what_was_acknowledged_is_there_after_a_kill_and_a_restart(broker, topic):
    write(broker.address, topic, [b"kept"])
    broker.kill()
    broker.start()
    assert [record.value for record in read(broker.address, topic, 1)] == [b"kept"]


def test_clients_reach_the_broker_through_the_proxy(broker, proxy, topic):
    write(broker.behind_proxy, topic, [b"through"])
    assert [record.value for record in read(broker.address, topic, 1)] == [b"through"]


def test_a_blocked_proxy_holds_bytes_back_and_a_cut_one_drops_the_connection(proxy):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.target = listener.getsockname()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client, listener.accept()[0] as server:
            proxy.block()
            client.sendall(b"late")
            server.settimeout(0.2)
            with pytest.raises(TimeoutError):
                server.recv(4)
            proxy.unblock()
            server.settimeout(10)
            assert server.recv(4) == b"late"
            proxy.cut()
            assert client.recv(1) == b""
