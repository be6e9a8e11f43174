"""Writes traces, logs and metrics to ClickHouse or to the embedded engine."""
