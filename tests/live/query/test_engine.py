"""The directory of an engine belongs to whoever opens it: with Ottery or without."""

import subprocess
import sys

import pytest

from collector.api import Fatal
from collector.storage.engine import open_engine

chdb = pytest.importorskip("chdb", reason="the embedded engine is not installed: pip install 'ottery[embedded]'")


def plain(path):
    return chdb.connect(str(path))


def ottery(path):
    return open_engine(str(path))


@pytest.mark.parametrize(
    "openers", [(plain, ottery, plain, ottery), (ottery, plain, ottery, ottery)], ids=["chDB first", "Ottery first"]
)
def test_tables_made_with_chdb_and_with_ottery_are_the_same_to_both(tmp_path, openers):
    for count, opener in enumerate(openers, 1):
        handle = opener(tmp_path)
        handle.query("CREATE TABLE IF NOT EXISTS t (a UInt64) ENGINE = MergeTree ORDER BY a")
        handle.query("INSERT INTO t VALUES (1)")
        assert handle.query("SELECT count() FROM default.t", "TSV").bytes() == f"{count}\n".encode()
        handle.close()


def test_files_are_no_tables(tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    handle = open_engine(str(tmp_path / "data"))

    with pytest.raises(RuntimeError, match="UNKNOWN_TABLE"):
        handle.query(f"SELECT * FROM `{tmp_path}/secret.csv`")
    handle.close()


def test_an_engine_in_memory_has_no_files_either(tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    handle = open_engine(":memory:")
    handle.query("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")

    assert handle.query("SELECT count() FROM t", "TSV").bytes() == b"0\n"
    with pytest.raises(RuntimeError, match="UNKNOWN_TABLE"):
        handle.query(f"SELECT * FROM `{tmp_path}/secret.csv`")
    handle.close()


def test_a_second_directory_is_refused_in_words(tmp_path):
    handle = open_engine(str(tmp_path / "one"))

    with pytest.raises(Fatal, match=r"cannot be opened on .*two.*one"):
        open_engine(str(tmp_path / "two"))
    handle.close()


def test_a_directory_that_another_process_has_is_refused_in_words(tmp_path):
    handle = open_engine(str(tmp_path))
    program = f"from collector.storage.engine import open_engine; open_engine({str(tmp_path)!r})"

    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert other.returncode == 1
    assert f"the embedded engine cannot be opened on {tmp_path}, or another process has it open" in other.stderr
    handle.close()
