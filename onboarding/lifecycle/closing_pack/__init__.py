"""The closing pack: the archive of a completed implementation for the client.

A reader verifies it with verify.py, without Gangway and without a network.
"""
