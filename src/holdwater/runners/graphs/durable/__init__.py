"""Graph runs that are recorded: checkpointers, requests and the caller of a recorded run."""
