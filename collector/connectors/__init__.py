"""Built-in connectors: where one pipeline ends and others begin."""
