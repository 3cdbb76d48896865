from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        import_module("tenants.receivers")
        # Every process that stores an event queues its delivery.
        import_module("tenants.webhooks.tasks")
