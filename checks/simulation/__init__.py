"""A world with a clock of its own, to count what we believe in it against what is true."""
