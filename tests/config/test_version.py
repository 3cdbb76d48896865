from __future__ import annotations

import re

from config.version import CHANGELOG, version


def test_version_is_the_newest_of_the_changelog() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)

    assert version() == headings[0]
