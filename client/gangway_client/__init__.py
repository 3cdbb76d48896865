"""The command-line client of Gangway. It uses only the REST API."""

VERSION = "0.1.0"
