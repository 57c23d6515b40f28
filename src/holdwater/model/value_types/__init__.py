"""Values that are not plain JSON data: how each kind is written as a tagged object, read back and shown."""
