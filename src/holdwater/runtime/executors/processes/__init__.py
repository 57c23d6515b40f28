"""Task functions in worker processes."""
