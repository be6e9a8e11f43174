"""The file exporter: telemetry as OTLP in files."""
