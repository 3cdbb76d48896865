"""One stylesheet: `collectstatic` writes `css/app.css` with the files that it imports.

The source is one file for each component. A browser would request each of them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

BUNDLE = "css/app.css"
# The form of every import in the file. A test refuses other forms.
IMPORT = re.compile(r'^@import url\("([^"]+)"\) layer\((\w+)\);$', re.MULTILINE)


def bundled(text: str, read: Callable[[str], str]) -> str:
    """Return the stylesheet with the content of each imported file in its layer.

    `read` returns the text of an imported file from its address. The rule `@layer` before the
    imports still states the order of the layers (CSS Cascading and Inheritance Level 5).
    """
    return IMPORT.sub(lambda found: f"@layer {found[2]} {{\n{read(found[1])}}}", text)


class StylesheetStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """Static files with the hash of their content in the name, and one stylesheet."""

    def stored_name(self, name: str) -> str:
        """Return the name with the hash.

        On this machine, a process can start before the first `collectstatic`. Its pages use the
        source, which WhiteNoise finds.
        """
        if settings.WHITENOISE_USE_FINDERS and self.clean_name(name) not in self.hashed_files:
            return name
        return str(super().stored_name(name))

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        """Write the bundle, then process all files. `paths` has the source of each file."""
        if not dry_run and BUNDLE in paths:
            paths = {**paths, BUNDLE: self._write_bundle(paths)}
        yield from super().post_process(paths, dry_run, **options)

    def _write_bundle(self, paths: dict[str, Any]) -> tuple[Any, str]:
        def read(address: str) -> str:
            return _read(paths[posixpath.join(posixpath.dirname(BUNDLE), address)])

        content = bundled(_read(paths[BUNDLE]), read)
        self.delete(BUNDLE)
        return self, self.save(BUNDLE, ContentFile(content.encode()))


def _read(source: tuple[Any, str]) -> str:
    storage, path = source
    with storage.open(path) as file:
        return str(file.read().decode())
