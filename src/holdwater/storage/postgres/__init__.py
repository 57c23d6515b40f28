"""Runs in a PostgreSQL database, for any number of runners on any number of machines."""
