"""Every kind of sheet and its columns, declared in one place."""

from __future__ import annotations

from onboarding.sheets import values
from onboarding.sheets.columns import Column, Kind, Problems, Question, Surroundings, Values, choice

_NOTE = Column("note", "Note", is_required=False, also=("Notes", "Comment", "Remark"))
_PERMIT = {
    "permit": ("permitted", "allow", "allowed", "safe", "whitelist", "yes"),
    "block": ("blocked", "deny", "denied", "reject", "blacklist", "no"),
}
_SENDER_ALSO = ("Sender address", "Email address", "E-mail", "Email", "Address", "Domain", "From")

# --- Whole rows


def _no_own_domain_permitted(row: Values, around: Surroundings) -> Problems:
    """Whoever permits their own domain, or an address there, lets in whoever borrows its name."""
    name = row["sender"].rpartition("@")[2]
    if row["action"] == "permit" and name in around.own_domains:
        return {
            "sender": f"{name} is your own domain: permitting it would let in everybody who "
            "borrows its name."
        }
    return {}


def _source_fits_method(row: Values, around: Surroundings) -> Problems:
    parse = values.domain if row["method"] == "SPF" else values.ip_or_network
    try:
        parse(row["source"])
    except values.BadValue as error:
        return {"source": str(error)}
    return {}


def _source(text: str) -> str:
    """An address, a network or a domain; which of them fits is the method's to say."""
    try:
        return values.ip_or_network(text)
    except values.BadValue as refused:
        if any(char.isalpha() for char in text) and "/" not in text and ":" not in text:
            return values.domain(text)
        raise refused from None


# --- The kinds

_RFI = (
    Question("company", "Company name"),
    Question("main-contact", "Main contact", "Name and role"),
    Question("main-contact-address", "E-mail address of the main contact", "", values.address),
    Question("main-contact-phone", "Telephone of the main contact"),
    Question("technical-contact", "Technical contact", "Who changes DNS, firewall and connectors"),
    Question(
        "technical-contact-address", "E-mail address of the technical contact", "", values.address
    ),
    Question("emergency-contact", "Emergency contact", "Reached outside office hours"),
    Question("signatory", "Who signs for protected roles", "A director; DocuSign goes to them"),
    Question("mailboxes", "Number of mailboxes", "", values.count),
    Question("platform", "Mail platform", "Microsoft 365, Google Workspace, Exchange, other"),
    Question("domains", "Domains that send or receive mail", "All of them, parked ones too"),
    Question("outbound-addresses", "Addresses that mail leaves from", "And whether they are fixed"),
    Question("inbound-hosts", "Hosts that incoming mail is delivered to"),
    Question("directory", "Directory and how users are synchronised"),
    Question("forwards", "Automatic forwards to outside", "Or “none”"),
    Question("change-windows", "Change windows and freezes"),
)
_BRANDING = (
    Question("company", "Company name", "As your people and their correspondents should read it"),
    Question(
        "url-prefix", "URL prefix", "Permanent once it is saved in the console", values.url_prefix
    ),
    Question("logo", "Logo", "The name of the file that you added to the task"),
    Question("main-colour", "Main colour", "Such as #0f5f73", values.colour),
    Question("text-colour", "Colour of text on it", "Such as #ffffff", values.colour),
    Question("support-address", "Address for questions of users", "", values.address),
    Question("website", "Website that the logo leads to"),
)
_ASKED = (
    Column("question", "Question", also=("Item", "Field"), in_key=True, console="Question"),
    Column("answer", "Answer", is_required=False, also=("Value",), console="Answer"),
)

_ALL = (
    Kind(
        "request-for-information",
        "request-for-information",
        "Request for information",
        "The account is built from these answers, so an error here becomes an error there.",
        _ASKED,
        noun="question",
        questions=_RFI,
    ),
    Kind(
        "forwarding",
        "forwarding-addresses",
        "Forwarding and relay addresses",
        "Every outside address that mailboxes, rules or devices forward or relay to. A forward "
        "that nobody listed stops at the outbound cutover.",
        (
            Column(
                "target",
                "Address or domain outside",
                values.address_or_domain,
                also=(
                    "Email address",
                    "E-mail address",
                    "Email",
                    "Address",
                    "Domain",
                    "Forward to",
                    "Forwarding address",
                    "ForwardingSmtpAddress",
                    "Target",
                ),
                in_key=True,
                console="Email Address or Domain",
            ),
            Column(
                "source",
                "Mailbox, rule or device",
                is_required=False,
                help="Where the forward is set",
                also=("Mailbox", "Source", "From", "User", "Rule"),
                in_key=True,
            ),
            choice(
                "what",
                "What it does",
                {"forward": ("forwarding",), "relay": ("relaying",)},
                default="forward",
                also=("Type", "Kind"),
            ),
            _NOTE,
        ),
    ),
    Kind(
        "tls-partners",
        "tls-requirements",
        "TLS partners",
        "Partners whose mail must be encrypted on the way. Try each before you enforce: where the "
        "other side has no good certificate, enforced mail queues.",
        (
            Column(
                "domain",
                "Partner’s domain",
                values.domain,
                also=("Domain", "Partner", "Partner domain"),
                in_key=True,
                console="Domain",
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
                in_key=True,
                console="Direction",
            ),
            choice(
                "mode",
                "TLS",
                {
                    "enforced": ("enforce", "strict", "required", "mandatory", "forced"),
                    "relaxed": ("relax", "opportunistic", "optional", "preferred"),
                },
                default="enforced",
                also=("TLS mode", "Mode", "Enforcement"),
                console="Encryption Mode",
            ),
            _NOTE,
        ),
        noun="partner",
    ),
    Kind(
        "branding",
        "branding",
        "Branding",
        "What the Personal Portal and the notices show. Take care with the URL prefix: it is "
        "permanent once saved.",
        _ASKED,
        noun="item",
        questions=_BRANDING,
    ),
    Kind(
        "spoofing-exceptions",
        "anti-spoofing-exceptions",
        "Anti-spoofing exceptions",
        "Every service that sends to you in your own domains’ name, with its addresses, or the "
        "domain whose SPF record lists them. The SPF bypass ignores what comes after the tenth "
        "term of a record.",
        (
            Column(
                "service",
                "Service",
                help="Newsletters, payroll, scanners",
                also=("Sender", "Name", "Vendor"),
                console="Description",
            ),
            choice(
                "method",
                "Let in by",
                {"address": ("ip", "ip address", "network", "range"), "SPF": ("spf bypass",)},
                default="address",
                also=("Method", "Bypass", "Type"),
                console="Bypass",
            ),
            Column(
                "source",
                "Address, network or SPF domain",
                _source,
                help="Such as 8.8.4.0/24, or the domain that publishes the SPF record",
                also=("Address", "IP", "IP address", "Network", "Source", "SPF domain"),
                in_key=True,
                console="Source IP Ranges or SPF Domain",
            ),
            Column(
                "domain",
                "Your domain it sends as",
                values.domain,
                is_required=False,
                also=("Domain", "From domain", "Sends as"),
                in_key=True,
                console="From Domain",
            ),
            _NOTE,
        ),
        noun="exception",
        check=_source_fits_method,
    ),
    Kind(
        "global-senders",
        "global-permitted-senders",
        "Global permitted and blocked senders",
        "The company-wide lists, pruned. Old lists often permit whole domains that attackers like "
        "to borrow; never permit your own.",
        (
            Column(
                "sender",
                "Sender’s address or domain",
                values.address_or_domain,
                also=("Sender", *_SENDER_ALSO),
                in_key=True,
                console="Email Address or Domain",
            ),
            choice(
                "action",
                "Permit or block",
                _PERMIT,
                also=("Action", "Type", "List", "Policy"),
                console="Action",
            ),
            _NOTE,
        ),
        noun="sender",
        check=_no_own_domain_permitted,
    ),
    Kind(
        "managed-senders",
        "managed-senders",
        "Managed senders",
        "The lists that users keep for themselves. The users must exist in Mimecast before these "
        "are imported there, or their rows are dropped.",
        (
            Column(
                "user",
                "User’s address",
                values.address,
                also=("User", "Mailbox", "Recipient", "User email", "User e-mail address"),
                in_key=True,
                console="User",
            ),
            Column(
                "sender",
                "Sender’s address or domain",
                values.address_or_domain,
                also=("Sender", *_SENDER_ALSO),
                in_key=True,
                console="Sender",
            ),
            choice(
                "action",
                "Permit or block",
                _PERMIT,
                also=("Action", "Type", "List", "Policy"),
                console="Action",
            ),
        ),
        noun="entry",
        check=_no_own_domain_permitted,
    ),
    Kind(
        "outbound-addresses",
        "additional-outbound-policies",
        "Authorised outbound addresses",
        "The public addresses that your mail leaves from. Mimecast authorises single addresses "
        "only, one by one, and refuses mail from any other as an open relay.",
        (
            Column(
                "address",
                "Public IP address",
                values.single_ip,
                also=("IP", "IP address", "Address", "Outbound IP"),
                in_key=True,
                console="IP Address",
            ),
            Column(
                "host",
                "Server or site",
                is_required=False,
                also=("Host", "Server", "Site", "Name"),
                console="Description",
            ),
            _NOTE,
        ),
        noun="address",
        confirms=False,
    ),
    Kind(
        "delivery-routes",
        "inbound-delivery-routes",
        "Delivery routes",
        "Where Mimecast hands over the mail of each domain. On Microsoft 365 use the MX-style "
        "host of your own tenant.",
        (
            Column(
                "domain",
                "Domain",
                values.domain,
                also=("Recipient domain",),
                in_key=True,
                console="Domain",
            ),
            Column(
                "host",
                "Host or IP address",
                values.host,
                in_key=True,
                also=("Host", "Hostname", "Server", "Route", "IP address"),
                console="Hostname",
            ),
            Column("port", "Port", values.port, default="25", console="Port"),
            Column(
                "priority",
                "Priority",
                values.count,
                is_required=False,
                help="Which host comes first, where there are several",
                also=("Preference", "Order"),
                console="Priority",
            ),
            _NOTE,
        ),
        noun="route",
        confirms=False,
    ),
)

KINDS: dict[str, Kind] = {kind.key: kind for kind in _ALL}
KIND_OF_TASK: dict[str, Kind] = {kind.task: kind for kind in _ALL}
