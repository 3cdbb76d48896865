"""The tables of people, tenants, domains and hosts, the activity log and the outbox.

Import the models from this package. Only fields, constraints and methods of one row belong in it.
"""

from tenants.models.activity import (
    ActivityChain,
    ActivityLine,
    ErasableAddress,
    ErasurePermit,
)
from tenants.models.api import (
    ApiToken,
    IdempotentRequest,
)
from tenants.models.notifications import Notification
from tenants.models.outbox import (
    EventCount,
    OutboxMessage,
)
from tenants.models.provisioning import (
    ProviderGrant,
    ProvisionedGroup,
    ProvisionedPerson,
    ScimToken,
)
from tenants.models.setup import MailTest, SetupDecision
from tenants.models.subjects import (
    ActiveManager,
    Domain,
    Host,
)
from tenants.models.tenants import (
    Authentication,
    DirectoryMethod,
    Invitation,
    Membership,
    Platform,
    Tenant,
)
from tenants.models.users import (
    User,
    UserManager,
)
from tenants.models.webhooks import (
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    WebhookMessage,
)

__all__ = [
    "ActiveManager",
    "ActivityChain",
    "ActivityLine",
    "ApiToken",
    "Authentication",
    "DirectoryMethod",
    "Domain",
    "ErasableAddress",
    "ErasurePermit",
    "EventCount",
    "Host",
    "IdempotentRequest",
    "Invitation",
    "MailTest",
    "Membership",
    "Notification",
    "OutboxMessage",
    "Platform",
    "ProviderGrant",
    "ProvisionedGroup",
    "ProvisionedPerson",
    "ScimToken",
    "SetupDecision",
    "Tenant",
    "User",
    "UserManager",
    "Webhook",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookMessage",
]
