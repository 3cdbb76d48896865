"""The process supervisor of `make run`: the broker, the services, and their start and stop order.

Entry point: `supervisor.Supervisor`. docs/architecture.md explains why honcho does not replace it.
"""
