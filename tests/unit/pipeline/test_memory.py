import gc
import subprocess
import sys

import pytest

from collector.pipeline.memory import settle

_RSS = """
from collector.pipeline.memory import settle

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

blocks = [bytearray(100_000) for _ in range(1000)]
keep = [bytearray(100)]
del blocks
settle()
before = resident()
blocks = [bytearray(100_000) for _ in range(300)]
held = resident()
del blocks
print(held - before > 20_000_000, held - resident() < 5_000_000)
"""


def test_what_lives_at_start_is_left_out_of_collections():
    settle()
    try:
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told to keep memory")
def test_memory_that_a_batch_frees_is_kept_for_the_next_one():
    told = subprocess.run([sys.executable, "-c", _RSS], capture_output=True, text=True, check=True)
    assert told.stdout == "True True\n"
