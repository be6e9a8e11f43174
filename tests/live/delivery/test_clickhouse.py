"""Ottery and ClickHouse are killed in the midst of inserts; every item is stored, and stored once."""

import os
import random
import time

import kit

KILLS = int(os.environ.get("OTTERY_TEST_ENGINE_KILLS", "8"))


def _stored(clickhouse):
    """Return how many rows there are, and of how many different spans."""
    (row,) = clickhouse.query("SELECT count() AS rows, uniqExact(SpanId) AS spans FROM otel_traces")
    return row["rows"], row["spans"]


def test_killed_in_the_midst_of_inserts_everything_is_in_clickhouse_once(own_clickhouse, make_collector):
    chance = random.Random(7)
    collector = make_collector(own_clickhouse.url, exporter="clickhouse")
    collector.start()
    load = kit.Load(collector.port)
    kit.eventually(lambda: kit.ledger(collector)["stored"], "a first insert")
    for kill in range(KILLS):
        if kill % 4 == 3:
            own_clickhouse.kill()
            own_clickhouse.restart()
        time.sleep(chance.uniform(0.0, 0.3))  # the random moment is the subject of the test
        collector.kill()
        collector.start()
    load.stop()
    kit.eventually(lambda: kit.ledger(collector)["in_flight"] == 0, lambda: f"delivered: {kit.ledger(collector)}")
    account = kit.ledger(collector)
    assert collector.stop() == 0
    assert (account["missing"], account["stored"]) == (0, account["received"])
    assert _stored(own_clickhouse) == (account["received"], account["received"])
    assert len(load.answered) <= account["received"] < len(load.answered) + 5 * 3 * (KILLS + 1)
