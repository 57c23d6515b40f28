"""Recorded runs of graphs: checkpointers, requests, and the caller of a recorded run."""
