"""The entry point of the stream process: `python -m config.live`."""

from __future__ import annotations

import os

import django
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.live.application import LiveApplication  # noqa: E402 - it needs the settings

application = LiveApplication()
# The routes import every view, which takes seconds. The first request would wait for them.
get_resolver().url_patterns  # noqa: B018 - a property that imports
