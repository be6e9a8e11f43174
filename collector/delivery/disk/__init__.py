"""The log on disk: segments of checksummed records, and a place file for each cursor."""
