"""Hosts as the process of a runner sees them: pool, queue, environment, isolation."""
