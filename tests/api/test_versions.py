"""Every change of an editable resource needs its version, and its endpoint returns it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tenants.models import User
from tenants.rest.schema import SCHEMA
from tests.access_matrix import create_one_of_each
from tests.api.clients import client_for
from tests.api.people_examples import is_for_administrators, prepare
from tests.factories import MakeTenant

PATHS: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["paths"]
# They add another resource or request work: a repetition is harmless, or an Idempotency-Key
# prevents it. A suggestion is named by its content.
WITHOUT_VERSION = {
    *("dry-runs", "try", "on-call", "preflight", "snapshots", "dns-scan", "share-links"),
    *("dismiss", "use", "comments", "files", "remind", "run"),
}


def _editable() -> list[str]:
    return [path for path, operations in PATHS.items() if "patch" in operations]


def _needs_version(operation: Any) -> bool:
    return any(each.get("name") == "If-Match" for each in operation.get("parameters", []))


def _changes() -> Iterator[tuple[str, str]]:
    """The writes at an editable resource, and directly below it."""
    for path, operations in PATHS.items():
        for method in sorted(operations.keys() & {"post", "patch", "delete"}):
            if any(re.fullmatch(re.escape(each) + r"([^{}]+/)?", path) for each in _editable()):
                yield method, path


def test_every_change_of_an_editable_resource_needs_its_version() -> None:
    without = {
        f"{method} {path}"
        for method, path in _changes()
        if not _needs_version(PATHS[path][method])
        and path.rstrip("/").rpartition("/")[2] not in WITHOUT_VERSION
    }

    assert without == set()


def test_every_exception_exists() -> None:
    last = {path.rstrip("/").rpartition("/")[2] for path in PATHS}

    assert WITHOUT_VERSION - last == set()


@pytest.mark.slow
def test_every_editable_resource_returns_its_version(
    make_tenant: MakeTenant, consultant: User, administrator: User, tmp_path: Any, settings: Any
) -> None:
    settings.FILES_DIR = tmp_path / "files"
    tenant = make_tenant("Northwind", domains=(("one.test", "primary"),))
    ids = create_one_of_each(tenant, consultant)
    prepare(tenant)
    usual, widest = (client_for(each, "administer") for each in (consultant, administrator))

    without = {}
    for path in _editable():
        url = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], path)
        response = (widest if is_for_administrators(path) else usual).get(url)
        if response.status_code != 200 or "ETag" not in response:
            without[path] = response.status_code

    assert without == {}
