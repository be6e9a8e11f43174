"""Prints what arrives to the terminal."""
