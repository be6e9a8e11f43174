"""OTLP bytes and JSON to Arrow and back; see `collector.wire.codec` for the interface."""
