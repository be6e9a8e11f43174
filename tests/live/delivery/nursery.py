"""Starts collectors fast: everything is imported once, and each line on standard input forks one that runs.

Prints the process id of each, and its exit status when it has ended.
"""

import os
import sys

import httpx2
import numpy as np  # noqa: F401 - imported so that no child has to

from collector.api import Kind
from collector.config import load
from collector.pipeline.catalogue import CATALOGUE
from collector.pipeline.run import run
from collector.wire.codec import codec


def main(config, output, exporter):
    load([config])
    codec()
    httpx2.Client().close()
    CATALOGUE.find(Kind.EXPORTER, exporter)
    _say("ready")
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for standard in (1, 2):
                os.dup2(file, standard)
            os._exit(run([config]))
        _say(child)
        _say(os.waitpid(child, 0)[1])


def _say(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
