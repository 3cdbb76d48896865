"""The definitions of all kinds of sheets."""

from __future__ import annotations

from onboarding.models import TaskRole
from onboarding.requirements import cell_types
from onboarding.requirements.columns import (
    Column,
    ListHeading,
    Problems,
    Question,
    SheetDefinition,
    ValidationContext,
    Values,
    choice,
)

_NOTE = Column("note", "Note", is_required=False, aliases=("Notes", "Comment", "Remark"))
_PERMIT = {
    "permit": (
        *("permitted", "permitted sender", "permitted senders", "allow", "allowed", "allow list"),
        *("allowed sender", "allowed senders", "safe", "safe sender", "whitelist", "yes", "exempt"),
    ),
    "block": (
        *("blocked", "blocked sender", "blocked senders", "block list", "deny", "denied"),
        *("reject", "rejected", "blacklist", "no"),
    ),
}
_PERMITS, _BLOCKS = {"action": "permit"}, {"action": "block"}
# Properties that identify a mailbox, the best one first.
_MAILBOX_PROPERTIES = (
    "PrimarySmtpAddress",
    "primaryEmail",  # Google
    # Of Entra and Active Directory. The name for signing in is often no address for mail.
    "mail",
    "WindowsEmailAddress",
    "UserPrincipalName",
    "MailboxOwnerId",
    "Identity",
)
_RULE_RECIPIENTS = ("RedirectMessageTo", "BlindCopyTo", "CopyTo", "AddToRecipients")
_SENDER_ALSO = ("Sender address", "Email address", "E-mail", "Email", "Address", "Domain", "From")
_SENDER_PAIRS = ("Email address/domain", "Address/domain")

# --- Whole rows


def _no_own_domain_permitted(row: Values, validation_context: ValidationContext) -> Problems:
    """Refuse to permit the client's own domains: forged senders use them."""
    name = row["sender"].rpartition("@")[2]
    if row["action"] == "permit" and name in validation_context.own_domains:
        return {
            "sender": f"{name} is your own domain. Permitting it would let in every sender who "
            "forges it."
        }
    return {}


def _source_fits_method(row: Values, validation_context: ValidationContext) -> Problems:
    parse = cell_types.spf_domain if row["method"] == "SPF" else cell_types.ip_or_network
    try:
        parse(row["source"])
    except cell_types.BadValue as error:
        return {"source": str(error)}
    return {}


def _source(text: str) -> str:
    """An address, a network or a domain. `_source_fits_method` checks it against the method."""
    try:
        return cell_types.ip_or_network(text)
    except cell_types.BadValue as refused:
        name = cell_types.without_spf_term(text)
        if any(char.isalpha() for char in name) and "/" not in name and ":" not in name:
            return cell_types.spf_domain(name)
        raise refused from None


# --- The kinds

_RFI = (
    Question("company", "Company name", fact="company"),
    Question("main-contact", "Main contact", "Name and role", fact="owner"),
    Question(
        "main-contact-address",
        "E-mail address of the main contact",
        "",
        cell_types.address,
        fact="owner-address",
    ),
    Question("main-contact-phone", "Telephone of the main contact", fact="owner-phone"),
    Question(
        "technical-contact",
        "Technical contact",
        "Who changes DNS, firewall and connectors",
        fact="technical-contact",
    ),
    Question(
        "technical-contact-address",
        "E-mail address of the technical contact",
        "",
        cell_types.address,
        fact="technical-contact-address",
    ),
    Question(
        "emergency-contact",
        "Emergency contact",
        "Reached outside office hours",
        fact="emergency-contact",
    ),
    Question(
        "signatory",
        "Who signs for protected roles",
        "A director; DocuSign goes to them",
        fact="signatory",
    ),
    Question("mailboxes", "Number of mailboxes", "", cell_types.count),
    Question(
        "platform",
        "Mail platform",
        "Microsoft 365, Google Workspace, Exchange, other",
        fact="platform",
    ),
    Question(
        "domains",
        "Domains that send or receive mail",
        "All of them, parked ones too",
        fact="domains",
    ),
    Question(
        "outbound-addresses",
        "Addresses that mail leaves from",
        "And whether they are fixed",
        fact="outbound-addresses",
    ),
    Question(
        "inbound-hosts",
        "Hosts that incoming mail is delivered to",
        "With their ports, such as mail.example.com:25",
        cell_types.delivery_hosts,
        fact="delivery-hosts",
    ),
    Question("directory", "Directory and how users are synchronised", fact="directory"),
    Question("forwards", "Automatic forwards to outside", "Or “none”", fact="forwards"),
    Question("change-windows", "Change windows and freezes"),
)
_BRANDING = (
    Question("company", "Company name", "As your people and their correspondents should read it"),
    Question(
        "url-prefix",
        "URL prefix",
        "Permanent once it is saved in the console",
        cell_types.url_prefix,
    ),
    Question("logo", "Logo", "The name of the file that you added to the task"),
    Question("main-colour", "Main colour", "Such as #0f5f73", cell_types.colour),
    Question("text-colour", "Colour of text on it", "Such as #ffffff", cell_types.colour),
    Question("support-address", "Address for questions of users", "", cell_types.address),
    Question("website", "Website that the logo leads to"),
)
# The data that the wizard asks for, and the values of today for the rollback.
_SETUP_CHECKLIST = (
    Question("code", "Account code", fact="account-code"),
    Question("grid", "Region", fact="region"),
    Question("technical-contact", "Technical contact", fact="technical-contact-all"),
    Question(
        "emergency-contact",
        "Emergency contact: name, e-mail address, mobile number",
        "Called at an outbreak or a mail loop",
        fact="emergency-contact",
    ),
    Question("signatory", "Signatory of director rank", fact="signatory"),
    Question("dns-owner", "DNS owner", fact="dns-owner"),
    Question("firewall-owner", "Firewall owner", fact="firewall-owner"),
    Question("directory-administrator", "Directory administrator", fact="directory-administrator"),
    Question("platform", "Mail platform", fact="platform"),
    Question(
        "onmicrosoft",
        "Tenant name at Microsoft",
        "Such as example.onmicrosoft.com, or “none”",
        fact="onmicrosoft",
    ),
    Question("domains", "All domains with their roles", "Parked ones too", fact="domains"),
    Question("mx", "Current MX records", "They are your rollback", fact="mx"),
    Question("mx-ttl", "Current TTL of the MX records, in seconds", fact="mx-ttl"),
    Question("spf", "Senders in the SPF records", fact="spf"),
    Question("dkim", "Current DKIM selectors", "Or “none”", fact="dkim-selectors"),
    Question("dmarc", "Current DMARC records", "Or “none”", fact="dmarc"),
    Question("mta-sts", "MTA-STS in use", fact="mta-sts"),
    Question("outbound-addresses", "Outbound IP addresses", fact="outbound-addresses"),
    Question("outbound-fixed", "Whether the outbound addresses are fixed"),
    Question(
        "delivery-hosts",
        "Delivery hosts with their ports",
        "Such as mail.example.com:25",
        cell_types.delivery_hosts,
        fact="delivery-hosts",
    ),
    Question("directory", "Directory method", fact="directory"),
    Question("sign-in", "Sign-in method", fact="sign-in"),
    Question("products", "Products bought", fact="products"),
    Question(
        "senders",
        "Services that send in your domains’ name",
        "Or “none”",
        fact="spoofing-exceptions",
    ),
    Question("forwards", "Automatic forwards to outside", "Or “none”", fact="forwards"),
    Question("tls", "Partners that require TLS", "Or “none”", fact="tls-partners"),
    Question(
        "lists", "Existing lists of permitted and blocked senders", "Or “none”", fact="sender-lists"
    ),
    Question("change-windows", "Change windows and freezes"),
)
_ASKED = (
    Column(
        "question", "Question", aliases=("Item", "Field"), is_key=True, console_heading="Question"
    ),
    Column("answer", "Answer", is_required=False, aliases=("Value",), console_heading="Answer"),
)

_ALL = (
    SheetDefinition(
        TaskRole.GATHERS_REQUEST_FOR_INFORMATION,
        "Request for information",
        "The account is built from these answers, so an error here becomes an error there.",
        _ASKED,
        noun="question",
        questions=_RFI,
    ),
    SheetDefinition(
        TaskRole.GATHERS_FORWARDING,
        "Forwarding and relay addresses",
        "Every outside address that mailboxes, rules or devices forward or relay to. A forward "
        "that is missing here stops at the outbound cutover.",
        (
            Column(
                "target",
                "Address or domain outside",
                cell_types.address_or_domain,
                aliases=(
                    "Email address",
                    "E-mail address",
                    "Email",
                    "Address",
                    "Domain",
                    "Forward to",
                    "Forwarding address",
                    "Forwards to",
                    "Forwarding email address",
                    "Target",
                    "Destination",
                ),
                exports=("ForwardingSmtpAddress", "ForwardingAddress", "forwardingEmail"),
                # Set-Mailbox: of both, Exchange ignores ForwardingSmtpAddress.
                precedence=("ForwardingAddress", "ForwardingSmtpAddress"),
                is_key=True,
                console_heading="Email Address or Domain",
            ),
            Column(
                "source",
                "Mailbox, rule or device",
                is_required=False,
                help="Where the forward is set",
                aliases=("Mailbox", "Source mailbox", "From", "User", "User email", "Rule"),
                substitutes=(*_MAILBOX_PROPERTIES, "DisplayName", "Name", "Alias"),
                is_key=True,
            ),
            choice(
                "what",
                "What it does",
                {"forward": ("forwarding",), "relay": ("relaying",)},
                default="forward",
                aliases=("Type", "Kind"),
            ),
            _NOTE,
        ),
        list_headings=(
            # Get-InboxRule, and GAM with `forwardEnabled`
            ListHeading("ForwardTo", "target", switches=("Enabled", "forwardEnabled")),
            ListHeading("RedirectTo", "target", switches=("Enabled",)),
            ListHeading("ForwardAsAttachmentTo", "target", switches=("Enabled",)),
            # Get-TransportRule
            *(
                ListHeading(heading, "target", switches=("State", "Enabled"))
                for heading in _RULE_RECIPIENTS
            ),
        ),
    ),
    SheetDefinition(
        TaskRole.GATHERS_TLS_PARTNERS,
        "TLS partners",
        "Partners whose mail must be encrypted on the way. Test each before you enforce it: if the "
        "other side has no valid certificate, enforced mail queues.",
        (
            Column(
                "domain",
                "Partner’s domain",
                cell_types.domain,
                aliases=("Domain", "Domain name", "Partner", "Partner domain"),
                is_key=True,
                console_heading="Domain",
            ),
            choice(
                "direction",
                "Direction",
                {
                    "both": ("both ways", "in and out", "inbound and outbound"),
                    "outgoing": ("outbound", "out", "delivery", "secure delivery", "to", "sending"),
                    "incoming": ("inbound", "in", "receipt", "secure receipt", "from", "receiving"),
                },
                default="both",
                help="Outgoing is Secure Delivery, incoming is Secure Receipt",
                is_key=True,
                console_heading="Direction",
            ),
            choice(
                "mode",
                "TLS",
                {
                    "enforced": (
                        *("enforce", "strict", "required", "mandatory", "forced", "always", "yes"),
                        # TlsSettings of Get-OutboundConnector, RequireTls of Get-InboundConnector
                        *("certificatevalidation", "domainvalidation", "true", "$true"),
                    ),
                    "relaxed": (
                        *("relax", "opportunistic", "optional", "preferred", "sometimes"),
                        # TLS without a check of the certificate
                        *("encryptiononly", "if possible", "if available"),
                    ),
                },
                default="enforced",
                aliases=(
                    "TLS mode",
                    "Mode",
                    "Enforcement",
                    "TLS setting",
                    "TLS policy",
                    "Force TLS",
                ),
                exports=("TlsSettings", "RequireTls"),
                console_heading="Encryption Mode",
            ),
            _NOTE,
        ),
        noun="partner",
        list_headings=(
            ListHeading(
                "RecipientDomains", "domain", {"direction": "outgoing"}, True, ("Enabled",)
            ),
            ListHeading("SenderDomains", "domain", {"direction": "incoming"}, True, ("Enabled",)),
        ),
    ),
    SheetDefinition(
        TaskRole.GATHERS_BRANDING,
        "Branding",
        "The content of the Personal Portal and the notices. Check the URL prefix carefully: it is "
        "permanent once saved.",
        _ASKED,
        noun="item",
        questions=_BRANDING,
    ),
    SheetDefinition(
        TaskRole.GATHERS_SPOOFING_EXCEPTIONS,
        "Anti-spoofing exceptions",
        "Every service that sends to you in your own domains’ name, with its addresses, or the "
        "domain whose SPF record lists them. The SPF bypass ignores all terms after the tenth "
        "of a record.",
        (
            Column(
                "service",
                "Service",
                help="Newsletters, payroll, scanners",
                aliases=("Sender", "Name", "Vendor"),
                console_heading="Description",
            ),
            choice(
                "method",
                "Let in by",
                {"address": ("ip", "ip address", "network", "range"), "SPF": ("spf bypass",)},
                default="address",
                aliases=("Method", "Bypass", "Type"),
                console_heading="Bypass",
            ),
            Column(
                "source",
                "Address, network or SPF domain",
                _source,
                help="Such as 8.8.4.0/24, or the domain that publishes the SPF record",
                aliases=("Address", "IP", "IP address", "Network", "Source", "SPF domain"),
                is_key=True,
                console_heading="Source IP Ranges or SPF Domain",
            ),
            Column(
                "domain",
                "Your domain it sends as",
                cell_types.domain,
                is_required=False,
                aliases=("Domain", "From domain", "Sends as"),
                is_key=True,
                console_heading="From Domain",
            ),
            _NOTE,
        ),
        noun="exception",
        check=_source_fits_method,
    ),
    SheetDefinition(
        TaskRole.GATHERS_GLOBAL_SENDERS,
        "Global permitted and blocked senders",
        "The company-wide lists, pruned. Old lists often permit whole domains that attackers like "
        "to borrow; never permit your own.",
        (
            Column(
                "sender",
                "Sender’s address or domain",
                cell_types.address_or_domain,
                aliases=("Sender", *_SENDER_ALSO, *_SENDER_PAIRS),
                exports=("Value",),  # Tenant Allow/Block List
                is_key=True,
                console_heading="Email Address or Domain",
            ),
            choice(
                "action",
                "Permit or block",
                _PERMIT,
                aliases=("Action", "Type", "List", "Policy"),
                console_heading="Action",
            ),
            _NOTE,
        ),
        noun="sender",
        list_headings=(
            ListHeading("AllowedSenders", "sender", _PERMITS),
            ListHeading("AllowedSenderDomains", "sender", _PERMITS),
            ListHeading("BlockedSenders", "sender", _BLOCKS),
            ListHeading("BlockedSenderDomains", "sender", _BLOCKS),
            ListHeading("Permitted senders", "sender", _PERMITS),
            ListHeading("Allowed senders", "sender", _PERMITS),
            ListHeading("Blocked senders", "sender", _BLOCKS),
        ),
        check=_no_own_domain_permitted,
    ),
    SheetDefinition(
        TaskRole.GATHERS_MANAGED_SENDERS,
        "Managed senders",
        "The users’ own lists. The users must exist in Mimecast before these "
        "are imported there, or their rows are dropped.",
        (
            Column(
                "user",
                "User’s address",
                cell_types.address,
                aliases=("User", "Mailbox", "Recipient", "User email", "User e-mail address"),
                substitutes=_MAILBOX_PROPERTIES,
                is_key=True,
                console_heading="User",
            ),
            Column(
                "sender",
                "Sender’s address or domain",
                cell_types.address_or_domain,
                aliases=("Sender", *_SENDER_ALSO, *_SENDER_PAIRS),
                exports=("Value",),
                is_key=True,
                console_heading="Sender",
            ),
            choice(
                "action",
                "Permit or block",
                _PERMIT,
                aliases=("Action", "Type", "List", "Policy"),
                console_heading="Action",
            ),
        ),
        noun="entry",
        list_headings=(
            ListHeading("TrustedSendersAndDomains", "sender", _PERMITS),
            ListHeading("BlockedSendersAndDomains", "sender", _BLOCKS),
        ),
        check=_no_own_domain_permitted,
    ),
    SheetDefinition(
        TaskRole.GATHERS_OUTBOUND_ADDRESSES,
        "Authorised outbound addresses",
        "The public addresses that your mail leaves from. Mimecast authorises single addresses "
        "only, one by one, and refuses mail from any other as an open relay.",
        (
            Column(
                "address",
                "Public IP address",
                cell_types.single_ip,
                aliases=("IP", "IP address", "Address", "Outbound IP"),
                is_key=True,
                console_heading="IP Address",
            ),
            Column(
                "host",
                "Server or site",
                is_required=False,
                aliases=("Host", "Server", "Site", "Name"),
                console_heading="Description",
            ),
            _NOTE,
        ),
        noun="address",
    ),
    SheetDefinition(
        TaskRole.GATHERS_DELIVERY_ROUTES,
        "Delivery routes",
        "The hosts to which Mimecast delivers each domain’s mail. On Microsoft 365 use the "
        "MX-style host of your own tenant.",
        (
            Column(
                "domain",
                "Domain",
                cell_types.domain,
                aliases=("Recipient domain", "DomainName"),
                is_key=True,
                console_heading="Domain",
            ),
            Column(
                "host",
                "Host or IP address",
                cell_types.host,
                is_key=True,
                aliases=("Host", "Hostname", "Smart host", "Server", "Route", "IP address"),
                console_heading="Hostname",
            ),
            Column("port", "Port", cell_types.port, default="25", console_heading="Port"),
            Column(
                "priority",
                "Priority",
                cell_types.count,
                is_required=False,
                help="Which host comes first, where there are several",
                aliases=("Preference", "Order"),
                console_heading="Priority",
            ),
            _NOTE,
        ),
        noun="route",
    ),
    SheetDefinition(
        TaskRole.GATHERS_IMPERSONATION_VIPS,
        "VIPs for Impersonation Protect",
        "The people most likely to be impersonated, with the ways their names are written. Names "
        "that many people share cause false alarms.",
        (
            Column(
                "name",
                "Name",
                aliases=("Display name", "Full name", "VIP"),
                exports=("DisplayName",),
                is_key=True,
                console_heading="Name",
            ),
            Column(
                "address",
                "E-mail address",
                cell_types.address,
                aliases=("Email address", "E-mail", "Email", "Address", "Mailbox"),
                substitutes=_MAILBOX_PROPERTIES,
                is_key=True,
                console_heading="Email Address",
            ),
            Column(
                "variants",
                "Other spellings of the name",
                is_required=False,
                help="Separated by semicolons, such as Bob Smith; Robert J. Smith",
                aliases=("Variants", "Display name variants", "Nicknames", "Also known as"),
                console_heading="Display Name Variants",
            ),
            Column(
                "title",
                "Job title",
                is_required=False,
                aliases=("Title", "Position", "Role", "JobTitle"),
                console_heading="Job Title",
            ),
            _NOTE,
        ),
        noun="person",
    ),
    SheetDefinition(
        TaskRole.GATHERS_SETUP_CHECKLIST,
        "Checklist of the setup wizard",
        "The data that the Email Security Setup Wizard and the rest of the work require. Answer "
        "“none” where there is none.",
        _ASKED,
        noun="question",
        questions=_SETUP_CHECKLIST,
    ),
)

DEFINITIONS: dict[str, SheetDefinition] = {kind.key: kind for kind in _ALL}
DEFINITION_OF_ROLE: dict[str, SheetDefinition] = {kind.role: kind for kind in _ALL}
# The kinds of sheets with fixed questions.
FIXED_KINDS = tuple(key for key, kind in DEFINITIONS.items() if kind.is_fixed)
