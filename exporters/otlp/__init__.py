"""OTLP to another collector or backend, over gRPC and HTTP."""
