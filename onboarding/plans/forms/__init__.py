"""Forms of tasks and of the schedule."""
