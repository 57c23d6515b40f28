"""Child runs: those of nodes that fan out, and those that task functions start and wait for."""
