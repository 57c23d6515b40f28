"""Stores in the memory of this process."""
