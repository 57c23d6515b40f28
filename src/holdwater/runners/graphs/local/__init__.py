"""Unrecorded runs of graphs, in memory: the engine without a store."""
