"""The organisational domain of a name, by the public suffix list of the library.

Uses no network. A suffix that the list does not contain counts as one label.
"""

from __future__ import annotations

import functools

from publicsuffixlist import PublicSuffixList


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def organisational_domain(name: str) -> str:
    """Return the public suffix plus one label (RFC 7489 section 3.2); a suffix as it is."""
    return _suffixes().privatesuffix(name) or name
