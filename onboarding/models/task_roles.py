"""The roles by which Gangway finds the tasks of a plan that its features depend on."""

from __future__ import annotations

from django.db import models

_GATHERS = "gathers:"


class TaskRole(models.TextChoices):
    """The part that a task plays in Gangway. The plan template assigns it; most tasks have none.

    Code refers to a task by its role, never by its key: the template can be edited in the browser.
    """

    SWITCHES_OUTBOUND = "switches-outbound", "Switches outbound mail"
    SWITCHES_INBOUND = "switches-inbound", "Switches inbound mail"
    DELIVERY_TEST = "delivery-test", "Tests inbound delivery"
    LOCKDOWN = "lockdown", "Locks down inbound connections"
    DECOMMISSION = "decommission", "Switches off the old gateway"
    CLOSURE = "closure", "Closes the implementation"
    DIRECTORY = "directory", "Synchronises the directory"
    VERIFIES_OWNERSHIP = "verifies:ownership", "Verifies domain ownership"
    VERIFIES_SPF = "verifies:spf", "Verifies the SPF record"
    VERIFIES_DKIM = "verifies:dkim", "Verifies DKIM signing"
    VERIFIES_MX_TTL = "verifies:mx-ttl", "Verifies the TTL of the MX records"
    VERIFIES_SMTP = "verifies:smtp", "Verifies SMTP connections"
    GATHERS_REQUEST_FOR_INFORMATION = (
        "gathers:request-for-information",
        "Sheet: request for information",
    )
    GATHERS_FORWARDING = "gathers:forwarding", "Sheet: forwarding and relay addresses"
    GATHERS_TLS_PARTNERS = "gathers:tls-partners", "Sheet: TLS partners"
    GATHERS_BRANDING = "gathers:branding", "Sheet: branding"
    GATHERS_SPOOFING_EXCEPTIONS = "gathers:spoofing-exceptions", "Sheet: anti-spoofing exceptions"
    GATHERS_GLOBAL_SENDERS = (
        "gathers:global-senders",
        "Sheet: global permitted and blocked senders",
    )
    GATHERS_MANAGED_SENDERS = "gathers:managed-senders", "Sheet: managed senders"
    GATHERS_OUTBOUND_ADDRESSES = "gathers:outbound-addresses", "Sheet: outbound addresses"
    GATHERS_DELIVERY_ROUTES = "gathers:delivery-routes", "Sheet: delivery routes"
    GATHERS_IMPERSONATION_VIPS = (
        "gathers:impersonation-vips",
        "Sheet: VIPs for Impersonation Protect",
    )
    GATHERS_SETUP_CHECKLIST = "gathers:setup-checklist", "Sheet: checklist of the setup wizard"

    @property
    def is_unique(self) -> bool:
        """Whether one task of a plan has the role at most."""
        return self is not TaskRole.DIRECTORY

    @property
    def sheet_kind(self) -> str:
        """The kind of the requirements sheet that the task gathers; empty for every other role."""
        return self.removeprefix(_GATHERS) if self.startswith(_GATHERS) else ""
