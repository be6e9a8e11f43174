"""The exporters `otlp_grpc` and `otlp_http` in the catalogue."""

from collector.api import Factory, Kind, Stability
from exporters.otlp.config import GrpcConfig, HttpConfig
from exporters.otlp.grpc import GrpcExporter
from exporters.otlp.http import HttpExporter

GRPC = Factory(
    name="otlp_grpc",
    kind=Kind.EXPORTER,
    config=GrpcConfig,
    create=GrpcExporter,
    summary="Sends OTLP over gRPC.",
    stability=Stability.BETA,
)
HTTP = Factory(
    name="otlp_http",
    kind=Kind.EXPORTER,
    config=HttpConfig,
    create=HttpExporter,
    summary="Sends OTLP over HTTP, as protobuf or JSON.",
    stability=Stability.BETA,
)
