"""One stylesheet with a hash in its name."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import storage
from django.core.management import call_command

from config.stylesheet import BUNDLE, IMPORT, bundled

SOURCE = django_settings.BASE_DIR / "static" / BUNDLE


def _stored_name(name: str) -> str:
    found: Any = storage.staticfiles_storage
    return str(found.stored_name(name))


@pytest.fixture
def collected(tmp_path: Path, settings: Any) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "config.stylesheet.StylesheetStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_every_import_has_the_known_form() -> None:
    text = SOURCE.read_text()

    assert text.count("@import") == len(IMPORT.findall(text)) > 30


def test_import_becomes_its_layer() -> None:
    text = '@layer a, b;\n\n@import url("x.css") layer(a);\n@import url("c/y.css") layer(b);\n'

    assert bundled(text, {"x.css": "p { top: 0 }\n", "c/y.css": "q { top: 1 }\n"}.__getitem__) == (
        "@layer a, b;\n\n@layer a {\np { top: 0 }\n}\n@layer b {\nq { top: 1 }\n}\n"
    )


def test_bundle_has_every_component(collected: Path) -> None:
    name = _stored_name(BUNDLE)
    text = (collected / name).read_text()

    assert name != BUNDLE
    assert "@import" not in text
    for file, layer in IMPORT.findall(SOURCE.read_text()):
        assert f"@layer {layer} {{\n{(SOURCE.parent / file).read_text()}}}" in text
    assert gzip.decompress((collected / f"{name}.gz").read_bytes()).decode() == text


def test_second_collection_has_the_new_source(collected: Path, settings: Any) -> None:
    """`make run` collects at each start. An unchanged `app.css` can import a changed file."""
    source = collected.parent / "source"
    (source / "css").mkdir(parents=True)
    (source / BUNDLE).write_text('@layer a;\n@import url("part.css") layer(a);\n')
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT = collected / "own"
    names = []
    for content in ("p { top: 0 }\n", "p { top: 1 }\n"):
        (source / "css" / "part.css").write_text(content)
        call_command("collectstatic", interactive=False, verbosity=0)
        names.append(_stored_name(BUNDLE))
        assert content in (settings.STATIC_ROOT / names[-1]).read_text()

    assert names[0] != names[1]


def test_page_without_collection_uses_the_source(tmp_path: Path, settings: Any) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "config.stylesheet.StylesheetStorage"}
    }

    assert _stored_name(BUNDLE) == BUNDLE
