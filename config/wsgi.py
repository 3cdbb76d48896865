"""The web process's entry point. It is ready for its first request when it is imported."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
# The routes import every view, which takes seconds. The first request would wait for them.
get_resolver().url_patterns  # noqa: B018 - a property that imports
