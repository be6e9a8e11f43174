"""Components that change batches on their way."""
