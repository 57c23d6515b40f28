"""The interfaces on a server, by its HTTP API."""
