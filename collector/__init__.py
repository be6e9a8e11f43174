"""Ottery: an OpenTelemetry-compatible collector for telemetry and product events."""
