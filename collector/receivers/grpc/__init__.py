"""A gRPC server on our own event loop. The way in is `server.GrpcServer`."""
