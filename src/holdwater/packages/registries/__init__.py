"""Registries of packages: archives in folders or in a database."""
