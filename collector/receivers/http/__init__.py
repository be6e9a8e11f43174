"""An HTTP/1.1 server on our own event loop, for uploads with small answers. The way in is `server.HttpServer`."""
