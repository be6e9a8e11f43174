"""The OTLP receiver: traces, metrics and logs over gRPC and HTTP. The way in is `factory.FACTORY`."""
