from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from config.version import CHANGELOG, version


def test_version_is_the_newest_of_the_changelog() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)

    assert version() == headings[0]


@pytest.mark.django_db
def test_footer_shows_version(client: Client) -> None:
    page = client.get(reverse("account_login")).content.decode()

    assert f">Gangway {version()}</footer>" in page
