"""Build the graph of components and run it."""
