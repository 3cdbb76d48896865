"""The settings of the test suite: tasks in the calling process, fast password hashes, no lab."""

from __future__ import annotations

import tempfile
from pathlib import Path

from config.settings import *  # noqa: F403 - the only permitted star import

VAR_DIR = Path(tempfile.gettempdir()) / "gangway-tests"
VAR_DIR.mkdir(exist_ok=True)
FILES_DIR = VAR_DIR / "files"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
# Each process of the test run has its own counts of attempts.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# test_equal_time.py sets it.
EQUAL_TIME_SECONDS = 0.0
