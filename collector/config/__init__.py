"""Load, merge and check configuration."""
