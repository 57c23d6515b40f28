"""Runs without a database: executed in memory, each commit recorded by a `CheckpointBackend` first.

A backend appends to the records of a run, loads them, and locks a run for one process.
"""
