"""Services of the loop: each does one job at its own instants, behind one protocol."""
