"""`python -m gangway_client` is the same as `gangway`."""

from gangway_client.cli import run

run()
