"""Streams of server-sent events: the events of one run, exactly, and hints of what changes in a database."""
