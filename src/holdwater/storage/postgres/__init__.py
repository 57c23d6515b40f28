"""The PostgreSQL store, shared by any number of runners on any number of machines."""
