"""Metrics of a server, for Prometheus: counted as things happen, and gauges that are read when they are asked for."""
