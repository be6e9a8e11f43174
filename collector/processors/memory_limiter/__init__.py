"""The processor that refuses requests while memory is short."""
