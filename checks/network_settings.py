"""The engine's `Network` from Django's settings: the one place that reads them."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings

from checks.engine.dns.network import Endpoint, Network, Route


def network_from_settings(nameservers: tuple[Endpoint, ...] = ()) -> Network:
    """The network this process may use; `nameservers` replace those of the settings."""
    network = Network(
        nameservers=tuple((address, port) for address, port in settings.CHECKS_NAMESERVERS),
        resolvers=tuple((address, port) for address, port in settings.CHECKS_RESOLVERS),
        authoritative_port=settings.CHECKS_AUTHORITATIVE_PORT,
        allowed_networks=tuple(settings.CHECKS_ALLOWED_NETWORKS),
        routes=tuple(
            Route(suffix, tuple(endpoints), port)
            for suffix, endpoints, port in settings.CHECKS_ROUTES
        ),
        ca_file=settings.CHECKS_EXTRA_CA_FILE,
    )
    # Asked for by name, so they answer for everything, routes included.
    return (
        replace(network, nameservers=nameservers, resolvers=(), routes=())
        if nameservers
        else network
    )
