"""A simulated world with its own time, to compare settled verdicts with the ground truth."""
