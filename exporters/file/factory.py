"""What the catalogue knows of the file exporter."""

from collector.api import Factory, Kind
from exporters.file.config import FileConfig
from exporters.file.exporter import FileExporter

FACTORY = Factory(
    name="file",
    kind=Kind.EXPORTER,
    config=FileConfig,
    create=FileExporter,
    summary="Writes OTLP into files: JSON lines or protobuf.",
)
