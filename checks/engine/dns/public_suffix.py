"""Which domain an organisation registered, by the public suffix list that comes with the library.

Nothing is fetched. A suffix the list does not know is taken to be one label long.
"""

from __future__ import annotations

import functools

from publicsuffixlist import PublicSuffixList


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def organisational_domain(name: str) -> str:
    """RFC 7489 section 3.2: the public suffix and one label more; a suffix is its own."""
    return _suffixes().privatesuffix(name) or name
