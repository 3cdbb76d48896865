"""Every rule "at most n rows" is in the test that exceeds it with eight requests at once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from tests.interop.test_limits_at_once import LIMITS

ROOT = Path(settings.BASE_DIR)
# A comparison with the number of stored rows: `rows.count() >= MOST_ROWS`.
_RULE = re.compile(r"\.count\(\).*(?:>=|>) (\w*(?:MOST|MAX)_\w+)$")


def rules() -> Iterator[tuple[str, str]]:
    for app in ("checks", "onboarding", "tenants"):
        for path in sorted((ROOT / app).rglob("*.py")):
            source = path.read_text()
            if ".count()" not in source:
                continue
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(source)):
                found = isinstance(node, ast.Compare) and _RULE.search(ast.unparse(node))
                if found:
                    yield module, found.group(1)


def test_every_limit_is_tested_at_once() -> None:
    assert set(rules()) == set(LIMITS)
