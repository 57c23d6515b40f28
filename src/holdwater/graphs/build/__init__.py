"""Construction of a graph: edges from names, scope, loop entries, and the checks before anything runs."""
