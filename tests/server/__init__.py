"""Tests of the web server: pages, API, streams."""
