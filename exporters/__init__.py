"""Ottery's exporters: each folder sends batches to one kind of sink."""
