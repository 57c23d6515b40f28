"""Runs outside of a database: kept in memory while they are executed, and recorded behind a narrow port.

What a place has to offer is small: append to the records of a run, load them, and lock a run for one process.
"""
