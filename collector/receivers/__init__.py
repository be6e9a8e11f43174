"""The doors: components that take data from outside."""
