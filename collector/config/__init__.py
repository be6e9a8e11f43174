"""Configuration: sources, substitution, models and checks."""

from collector.config.loaded import LoadedConfig, Pipeline
from collector.config.loader import load
from collector.config.problems import ConfigError, Place, Problem

__all__ = ["ConfigError", "LoadedConfig", "Pipeline", "Place", "Problem", "load"]
