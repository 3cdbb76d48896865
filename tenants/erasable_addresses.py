"""Deletes addresses from the installation's log, so that its chain still verifies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tenants.activity_names import ERASABLE_PARAMS, current_name, stored_names
from tenants.models import ActivityChain, ActivityLine, ErasableAddress


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


@dataclass(frozen=True)
class ErasedAddresses:
    """Numbers of lines: without their address, and those of version 1, without parameters."""

    lines: list[int]
    emptied_lines: list[int]


def erase_addresses(match: AddressMatch) -> ErasedAddresses:
    """Delete the matching addresses. Call it with an ErasurePermit, and log the result.

    A line of version 1 contains the address in its hashed content. Its parameters are emptied, and
    its hash remains: the next line still links to it, but its content is no longer verifiable.
    """
    rows = [
        (pk, number)
        for pk, number, address in ErasableAddress.objects.order_by("pk")
        .values_list("pk", "line__number", "address")
        .iterator(chunk_size=1000)
        if match.covers(address)
    ]
    ErasableAddress.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
    emptied = list(_old_lines(match))
    ActivityLine.objects.filter(pk__in=[pk for pk, _ in emptied]).update(params={})
    return ErasedAddresses([number for _, number in rows], [number for _, number in emptied])


def _old_lines(match: AddressMatch) -> Iterator[tuple[int, int]]:
    lines = ActivityLine.objects.filter(
        scope=ActivityChain.INSTALLATION, version=1, action__in=stored_names(*ERASABLE_PARAMS)
    )
    for pk, number, action, params in lines.values_list("pk", "number", "action", "params"):
        key = next(key for name, key in ERASABLE_PARAMS.items() if name == current_name(action))
        if match.covers(str(params.get(key, ""))):
            yield pk, number
