"""Benchmarks: CPU per item of Ottery and its peers, each a process of its own, fed the same bytes."""
