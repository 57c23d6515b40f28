"""Fingerprints of code: shallow ones to show, deep ones as parts of cache keys."""
