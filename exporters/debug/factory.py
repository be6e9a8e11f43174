"""What the catalogue knows of the debug exporter."""

from collector.api import Factory, Kind
from exporters.debug.config import DebugConfig
from exporters.debug.exporter import DebugExporter

FACTORY = Factory(
    name="debug",
    kind=Kind.EXPORTER,
    config=DebugConfig,
    create=DebugExporter,
    summary="Prints what arrives to the terminal.",
)
