"""Every finding code and the parameters it carries. Codes are stable: pages and people quote them.

A code is never reused for something else; a parameter may be added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # What servers say together
        "dns.no-such-domain": ("domain",),
        "dns.no-delegation": ("domain", "reason"),
        "dns.servers-disagree": ("agreeing", "lagging"),
        "dns.server-silent": ("servers", "reasons"),
        "dns.server-without-address": ("servers",),
        "region.gap": ("region", "field"),
        "look.over-budget": ("budget_seconds",),
        "look.internal-error": (),
        # Ownership
        "ownership.no-code": ("domain",),
        "ownership.not-found": ("domain",),
        "ownership.code-altered": ("found",),
        "ownership.other-code": ("found", "expected"),
        "ownership.wrong-target": ("found", "expected"),
        "ownership.zone-doubled": ("name",),
        "ownership.other-name": ("name",),
        # SPF
        "spf.none": ("domain",),
        "spf.several-records": ("count",),
        "spf.syntax": ("term",),
        "spf.permerror": ("problem", "detail"),
        "spf.temperror": ("detail",),
        "spf.too-many-lookups": ("lookups", "limit", "branch", "branch_lookups"),
        "spf.too-many-void-lookups": ("void_lookups", "limit"),
        "spf.include-without-record": ("name",),
        "spf.no-network-passes": ("include", "total"),
        "spf.some-networks-fail": ("failing", "passing", "total"),
        "spf.passes-only-by-all": ("include",),
        "spf.passes-everyone": ("record",),
        "spf.global-include": ("global_include", "lookups", "include"),
        "spf.global-include-lacks-region": ("include", "global_include"),
        "spf.flattened": ("include",),
        "spf.lookups-near-limit": ("lookups", "limit"),
        "spf.sampled": (),
        "spf.broken-branch": ("problem", "detail"),
        "spf.branch-unresolved": ("detail",),
        "spf.include-after-all": ("term",),
        "spf.include-qualifier": ("term",),
        "spf.ptr": ("term",),
        "spf.hosted": ("target",),
        "spf.wrong-region-include": ("found", "expected"),
        "spf.look-alike-include": ("found", "expected"),
        "spf.region-unresolved": ("include", "reason"),
        # MX
        "mx.none": ("domain",),
        "mx.null": ("domain",),
        "mx.null-beside-others": (),
        "mx.old-only": ("hosts",),
        "mx.leftover": ("hosts",),
        "mx.wrong-region": ("hosts", "regions"),
        "mx.look-alike": ("hosts",),
        "mx.host-missing": ("hosts",),
        "mx.duplicate": ("hosts",),
        "mx.address-as-host": ("hosts",),
        "mx.alias": ("host", "target"),
        "mx.implicit-address": ("addresses",),
        # MX TTL
        "mx-ttl.too-high": ("ttl", "threshold"),
        "mx-ttl.no-mx": ("domain",),
        "mx-ttl.moved": ("ttl",),
        # Hosts
        "host.no-address": ("host",),
        "host.could-not-resolve": ("host", "reason"),
        "host.not-allowed": ("host", "port", "addresses"),
        "smtp.unreachable": ("host", "port", "reason"),
        "smtp.unreachable-from-here": ("host", "port", "reason"),
        "smtp.greeting-deferred": ("code", "text"),
        "smtp.greeting-refused": ("code", "text"),
        "smtp.no-greeting": ("host", "port"),
        "smtp.ehlo-refused": ("code", "text"),
        "smtp.no-starttls": ("host",),
        "smtp.tls-failed": ("host", "reason"),
        "ldaps.unreachable": ("host", "port", "reason"),
        "ldaps.unreachable-from-here": ("host", "port", "reason"),
        "ldaps.tls-failed": ("host", "port", "reason"),
        "ldaps.open-to-internet": ("host", "port"),
        "tls.expired": ("not_after",),
        "tls.expires-soon": ("not_after", "days"),
        "tls.not-yet-valid": ("not_before",),
        "tls.self-signed": ("subject",),
        "tls.untrusted": ("issuer", "reason"),
        "tls.name-mismatch": ("host", "names"),
        "tls.unreadable-certificate": ("host",),
    }
)
