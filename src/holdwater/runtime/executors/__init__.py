"""Executors: where task functions run, how many at once, and which executor runs which."""
