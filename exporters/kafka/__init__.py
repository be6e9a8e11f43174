"""OTLP to Apache Kafka topics."""
