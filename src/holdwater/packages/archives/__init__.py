"""Archives of packages: judged, read, unpacked, written and shown."""
