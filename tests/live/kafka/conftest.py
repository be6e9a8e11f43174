"""One real broker for the whole session, and topics of their own for every test."""

import os
import uuid

import pytest
from confluent_kafka.admin import NewTopic

from tests.live.kafka.broker import Broker, NoBroker
from tests.live.proxy import Proxy


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory):
    """The session's broker: tests use `broker`, which starts it again after a test that killed it."""
    running = Broker(tmp_path_factory.mktemp("broker") / "kafka")
    try:
        running.start()
    except NoBroker as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the Kafka broker: {error}")
        pytest.skip(f"NO KAFKA, NOTHING ABOUT IT WAS TESTED: {error}")
    yield running
    running.stop()


@pytest.fixture
def broker(shared_broker):
    if shared_broker.process is None:
        shared_broker.start()
    return shared_broker


@pytest.fixture
def proxy(broker):
    """A proxy before the broker: `broker.behind_proxy` leads through it."""
    between = Proxy(("127.0.0.1", broker.ports["behind"]), broker.ports["proxied"])
    yield between
    between.close()


@pytest.fixture
def make_topic(broker):
    """Create topics with unique names: `make_topic(partitions=3)`."""

    def make(partitions: int = 1, prefix: str = "test", **config: str) -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        wanted = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
        admin = broker.admin()
        admin.create_topics([wanted])[name].result(20)
        return name

    return make


@pytest.fixture
def topic(make_topic):
    return make_topic()
