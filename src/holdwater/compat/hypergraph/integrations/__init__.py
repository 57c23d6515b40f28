"""`hypergraph.integrations`: other libraries."""
