"""Typed product events."""
