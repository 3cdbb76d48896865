"""Checks of DNS records and mail hosts: their schedule, their runs and their state."""
