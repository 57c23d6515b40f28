"""The reconciler: an engine has the releases that a registry has."""
