"""The organisational domain of a name, by the public suffix list of the library.

Uses no network. A suffix that the list does not contain counts as one label.
"""

from __future__ import annotations

import functools

from publicsuffixlist import PublicSuffixList


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@functools.cache
def _known_suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def organisational_domain(name: str) -> str:
    """Return the public suffix plus one label (RFC 7489 section 3.2); a suffix as it is."""
    return _suffixes().privatesuffix(name) or name


def is_public_suffix(name: str) -> bool:
    """Return whether the list contains the name as a suffix, such as `com` or `co.uk`."""
    return _known_suffixes().publicsuffix(name) == name
