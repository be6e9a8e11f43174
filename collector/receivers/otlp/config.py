"""Configuration of the OTLP receiver, in the shape of the OpenTelemetry Collector's."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from collector.api import ConfigModel
from collector.receivers.config import GrpcServerConfig, HttpServerConfig


class OtlpHttpConfig(HttpServerConfig):
    """`protocols.http`."""

    traces_url_path: str = "/v1/traces"
    """Path of traces."""
    metrics_url_path: str = "/v1/metrics"
    """Path of metrics."""
    logs_url_path: str = "/v1/logs"
    """Path of logs."""

    @field_validator("traces_url_path", "metrics_url_path", "logs_url_path")
    @classmethod
    def _rooted(cls, path: str) -> str:
        return path if path.startswith("/") else f"/{path}"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({self.traces_url_path, self.metrics_url_path, self.logs_url_path}) < 3:
            raise ValueError("traces_url_path, metrics_url_path and logs_url_path must differ")
        return self


class Protocols(ConfigModel):
    """`protocols`: an empty block starts a protocol with its defaults, a missing one leaves it out."""

    grpc: GrpcServerConfig | None = None
    http: OtlpHttpConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, block: Any) -> Any:
        if isinstance(block, dict):
            return {name: {} if value is None else value for name, value in block.items()}
        return block

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.grpc is None and self.http is None:
            raise ValueError("at least one of grpc and http is needed")
        return self


class AdmissionConfig(ConfigModel):
    """`admission`: a bound on memory, whatever clients do."""

    request_limit_mib: int = Field(128, gt=0)
    """Mebibytes that requests may hold while they are read and handed over; beyond them clients are told to wait."""


class OtlpConfig(ConfigModel):
    """`receivers.otlp`."""

    protocols: Protocols
    admission: AdmissionConfig = AdmissionConfig()
