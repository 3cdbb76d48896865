"""Limits of pages that no linter checks: short files and no inline code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LIMITS = [
    *((file, 150) for file in TEMPLATES),
    *((file, 150) for file in sorted((ROOT / "static" / "css").rglob("*.css"))),
    *((file, 100) for file in sorted((ROOT / "static" / "js").rglob("*.js"))),
]
INLINE = re.compile(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|\|\s*safe\b|javascript:")


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize(("file", "limit"), LIMITS, ids=[_name(file) for file, _ in LIMITS])
def test_page_files_are_short(file: Path, limit: int) -> None:
    assert len(file.read_text().splitlines()) <= limit


@pytest.mark.parametrize("file", TEMPLATES, ids=_name)
def test_templates_have_nothing_inline(file: Path) -> None:
    assert INLINE.findall(file.read_text()) == []


def test_only_tokens_contain_raw_colours() -> None:
    strays = {
        _name(file): found
        for file in sorted((ROOT / "static" / "css").rglob("*.css"))
        if file.name != "tokens.css"
        and (found := re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", file.read_text()))
    }

    assert strays == {}


def test_style_sheets_are_imported_once() -> None:
    css = ROOT / "static" / "css"
    imported = re.findall(r'@import url\("([^"]+)"\)', (css / "app.css").read_text())

    # The page of the API documentation has its own style sheet, and not ours.
    others = {"app.css", "api_docs.css"}
    assert sorted(imported) == sorted(
        str(file.relative_to(css)) for file in css.rglob("*.css") if file.name not in others
    )
