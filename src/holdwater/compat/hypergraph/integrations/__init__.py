"""`hypergraph.integrations`: integrations with other libraries."""
