from collector.api import Signal
from collector.connectors.forward import FACTORY, ForwardConfig
from collector.testing import RecordingConsumer, sample_batch, settings


async def test_the_connector_hands_on_the_very_batch_to_the_consumer_of_its_signal():
    consumers = {Signal.TRACES: RecordingConsumer(), Signal.LOGS: RecordingConsumer()}
    forward = FACTORY.create(ForwardConfig(), settings(consumers=consumers))
    batch = sample_batch(Signal.LOGS)
    await forward.consume(batch)
    assert consumers[Signal.LOGS].batches == [batch]
    assert consumers[Signal.TRACES].batches == []
