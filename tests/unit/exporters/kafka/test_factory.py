import sys

import pytest

from collector.api import Fatal
from collector.receivers.kafka.factory import FACTORY as RECEIVER
from collector.testing import settings
from exporters.kafka.factory import FACTORY as EXPORTER


@pytest.mark.parametrize(
    ("factory", "module"),
    [
        pytest.param(EXPORTER, "exporters.kafka.exporter", id="exporter"),
        pytest.param(RECEIVER, "collector.receivers.kafka.receiver", id="receiver"),
    ],
)
def test_without_the_client_library_it_says_what_to_install(factory, module, monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    for name in [name for name in sys.modules if name.startswith((module.rpartition(".")[0], "exporters.kafka"))]:
        if not name.endswith((".config", ".client", ".factory")):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(Fatal, match=r"needs confluent_kafka; install it with: pip install 'ottery\[kafka\]'"):
        factory.create(factory.config(), settings("kafka"))
