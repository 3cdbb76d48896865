"""What `make run` stands on: the broker, the processes, and the order they come and go in."""
