"""Death at every commit: real processes, really killed."""
