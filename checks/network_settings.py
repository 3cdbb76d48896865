"""Build the engine's `Network` from Django's settings. No other module reads them."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings

from checks.engine.dns.network import Endpoint, Network, Route


def network_from_settings(nameservers: tuple[Endpoint, ...] = ()) -> Network:
    """Return the network for this process; `nameservers` replace the configured ones."""
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
    # Resolvers named by the caller answer for every name, including the routed suffixes.
    return (
        replace(network, nameservers=nameservers, resolvers=(), routes=())
        if nameservers
        else network
    )
