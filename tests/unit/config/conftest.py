from dataclasses import dataclass

import pytest
from pydantic import Field, SecretStr, field_validator

from collector.api import BatchConfig, ConfigModel, ExporterConfig, Factory, Kind, QueueConfig, Signal
from collector.config import ConfigError, LoadedConfig, load
from collector.pipeline.catalogue import BUILT_IN, Catalogue


class GrpcConfig(ConfigModel):
    endpoint: str = "localhost:4317"
    max_recv_msg_size_mib: int = Field(64, ge=1)


class HttpConfig(ConfigModel):
    endpoint: str = "localhost:4318"


class ProtocolsConfig(ConfigModel):
    grpc: GrpcConfig | None = None
    http: HttpConfig | None = None


class OtlpConfig(ConfigModel):
    protocols: ProtocolsConfig


class SinkConfig(ExporterConfig):
    endpoint: str
    password: SecretStr = SecretStr("")
    token: int = 0
    ratio: float = 0.5
    headers: dict[str, str] = Field(default_factory=dict)
    hosts: tuple[str, ...] | str = ()

    @field_validator("endpoint")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if "://" not in value:
            raise ValueError(f"scheme://host:port was expected, not {value!r}")
        return value


class GatheringConfig(ExporterConfig):
    sending_queue: QueueConfig = QueueConfig(batch=BatchConfig(min_size=20_000, flush_timeout=1.0))


class NothingConfig(ConfigModel):
    pass


def _factory(name: str, kind: Kind, config: type[ConfigModel], **more: object) -> Factory:
    return Factory(name, kind, config, lambda _config, _settings: None, f"The {name}.", **more)


CATALOGUE = Catalogue(
    {
        Kind.RECEIVER: {"otlp": _factory("otlp", Kind.RECEIVER, OtlpConfig)},
        Kind.PROCESSOR: {**BUILT_IN[Kind.PROCESSOR], "filter": _factory("filter", Kind.PROCESSOR, NothingConfig)},
        Kind.EXPORTER: {
            "sink": _factory("sink", Kind.EXPORTER, SinkConfig),
            "gathering": _factory("gathering", Kind.EXPORTER, GatheringConfig),
            "nothing": _factory("nothing", Kind.EXPORTER, NothingConfig),
            "logs_only": _factory("logs_only", Kind.EXPORTER, NothingConfig, signals=frozenset({Signal.LOGS})),
            "broken": "collector.no_such_module:FACTORY",
        },
        Kind.CONNECTOR: {"bridge": _factory("bridge", Kind.CONNECTOR, NothingConfig)},
        Kind.EXTENSION: {"health_check": _factory("health_check", Kind.EXTENSION, NothingConfig)},
    },
    {Kind.EXPORTER: {"old_sink": "sink"}},
)

BASE = """\
receivers:
  otlp:
    protocols:
      grpc:
exporters:
  nothing:
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [nothing]
"""


@dataclass(frozen=True)
class Loading:
    """Loads texts as files `1.yaml`, `2.yaml` and so on, in a directory of their own."""

    directory: object

    def __call__(self, *texts: str, environ: dict[str, str] | None = None) -> LoadedConfig:
        sources = []
        for number, text in enumerate(texts, 1):
            path = self.directory / f"{number}.yaml"
            path.write_text(text)
            sources.append(str(path))
        return load(sources, environ or {}, CATALOGUE)

    def problems(self, *texts: str, environ: dict[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self(*texts, environ=environ)
        return [str(problem).removeprefix(f"{self.directory}/") for problem in caught.value.problems]


@pytest.fixture
def loading(tmp_path):
    return Loading(tmp_path)


@pytest.fixture
def base():
    return BASE
