"""DefaultRunner: register workflows of tasks, run them, look at them."""
