"""Engines of many tenants in one process: a few awake, the others asleep until something is due."""
