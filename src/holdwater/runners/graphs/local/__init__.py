"""Graphs run in this process, without a store: nothing is recorded, and nothing survives the process."""
