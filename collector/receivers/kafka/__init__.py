"""Reads OTLP and plain logs from Apache Kafka topics."""
