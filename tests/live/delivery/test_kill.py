"""Ottery is killed at random moments, under load, and nothing that was answered is missing."""

import os
import random
import time

import kit

KILLS = int(os.environ.get("OTTERY_TEST_KILLS", "50"))


def test_killed_at_random_moments_nothing_answered_is_lost_and_the_ledger_balances(collector, sink):
    chance = random.Random(4)
    collector.start()
    load = kit.Load(collector.port)
    for kill in range(KILLS):
        answered = len(load.answered)
        if kill % 2:
            kit.eventually(lambda before=answered: len(load.answered) > before, "clients are answered")
        time.sleep(chance.uniform(0.0, 0.12))  # the random moment is the subject of the test
        collector.kill()
        collector.start()
    load.stop()
    kit.eventually(lambda: load.answered <= sink.seen.keys(), lambda: f"{len(load.answered - sink.seen.keys())} lost")
    account = kit.ledger(collector)
    assert (account["missing"], account["received"], account["stored"]) == (0, len(sink.seen), len(sink.seen))
    assert collector.stop() == 0
    place = kit.place(collector)
    assert (place.flight, place.outcomes["stored"]) == ({}, place.taken.items - place.origin.items)
    assert set(place.outcomes) == {"stored"}
    assert len(load.answered) >= KILLS // 2
