"""WebSockets: the events of a run in the protocol that clients of Cloacina's server speak."""
