"""The interfaces on a database."""
