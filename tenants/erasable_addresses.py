"""Deletes addresses from the installation's log, so that its chain still verifies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tenants.activity_names import ActivityName, stored_names
from tenants.commitments import texts_in
from tenants.models import ActivityChain, ActivityLine, ErasableAddress

# The actions whose lines contained addresses in their hashed content, in 0.1.0 or in 0.2.0.
_WITH_ADDRESSES = (
    ActivityName.SIGN_IN_FAILED,
    ActivityName.STAFF_ADDED,
    ActivityName.STAFF_CHANGED,
    ActivityName.PERSON_DEACTIVATED,
    ActivityName.PERSON_ACTIVATED,
    ActivityName.PERSON_PROVISIONED,
    ActivityName.PERSON_RENAMED,
    ActivityName.PERSON_DEPROVISIONED,
    ActivityName.GROUP_CHANGED,
)


@dataclass(frozen=True)
class AddressMatch:
    """The addresses to erase, in lower case: single ones, and all at some domains.

    Never one of `remaining`: the addresses of accounts that are not erased.
    """

    addresses: frozenset[str]
    domains: frozenset[str]
    remaining: frozenset[str]

    def covers(self, text: str) -> bool:
        address = text.strip().lower()
        if address in self.remaining:
            return False
        _, at, domain = address.rpartition("@")
        return address in self.addresses or (bool(at) and domain.rstrip(".") in self.domains)


def with_earlier_addresses(match: AddressMatch) -> AddressMatch:
    """Return the match with the earlier addresses of these people, from the log of renamings."""
    lines = ActivityLine.objects.filter(
        scope=ActivityChain.INSTALLATION, action__in=stored_names(ActivityName.PERSON_RENAMED)
    )
    # The newest first, so that a chain of renamings is followed to its beginning.
    for line in lines.prefetch_related("erasable_addresses").order_by("-number"):
        params = line.display_params
        pair = [str(params.get(key, {}).get("email", "")).lower() for key in ("before", "after")]
        if match.covers(pair[1]) and pair[0]:
            match = replace(match, addresses=match.addresses | {pair[0]})
    return match


@dataclass(frozen=True)
class ErasedAddresses:
    """Numbers of lines: without an address, and earlier ones, without parameters."""

    lines: list[int]
    emptied_lines: list[int]


def erase_addresses(match: AddressMatch) -> ErasedAddresses:
    """Delete the matching addresses. Call it with an ErasurePermit, and log the result.

    An earlier line contains the address in its hashed content. Its parameters are emptied, and its
    hash remains: the next line still links to it, but its content is no longer verifiable.
    """
    rows = [
        (pk, number)
        for pk, number, address, owner in ErasableAddress.objects.order_by("pk")
        .values_list("pk", "line__number", "address", "owner")
        .iterator(chunk_size=1000)
        if match.covers(owner or address)
    ]
    ErasableAddress.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
    emptied = list(_old_lines(match))
    ActivityLine.objects.filter(pk__in=[pk for pk, _ in emptied]).update(params={})
    numbers = sorted({number for _, number in rows})
    return ErasedAddresses(numbers, [number for _, number in emptied])


def _old_lines(match: AddressMatch) -> Iterator[tuple[int, int]]:
    lines = ActivityLine.objects.filter(
        scope=ActivityChain.INSTALLATION, action__in=stored_names(*_WITH_ADDRESSES)
    )
    for pk, number, params in lines.values_list("pk", "number", "params").order_by("number"):
        if any(match.covers(text) for text in texts_in(params)):
            yield pk, number
