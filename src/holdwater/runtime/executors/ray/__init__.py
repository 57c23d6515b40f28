"""Task functions on a Ray cluster."""
