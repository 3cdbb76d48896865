"""Settings, from the environment alone. Without any, a checkout runs on SQLite, tasks in place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from checks.lab import places
from config import env

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.boolean("DEBUG", default=True)
SECRET_KEY = env.text("SECRET_KEY", "for-a-checkout-without-environment-only" if DEBUG else "")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("DEBUG is off: set SECRET_KEY to at least 32 random characters.")

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "[::1]"}
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", sorted(LOOPBACK_HOSTS))
# An installation that answers on this machine alone may carry the lab and its sample people.
IS_LOCAL = set(ALLOWED_HOSTS) <= LOOPBACK_HOSTS
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

# --- The lab: name servers and mail hosts on loopback, for the sample tenants under .test only.
LAB_DIR = VAR_DIR / "lab"
LAB_PORT = env.integer("LAB_PORT", places.Places.port, least=1, most=65535)
LAB_PLACES = places.current(LAB_DIR)
LAB = env.boolean("LAB", default=IS_LOCAL and LAB_PLACES is not None)
if LAB and not IS_LOCAL:
    raise ImproperlyConfigured("LAB is on, but ALLOWED_HOSTS names more than this machine.")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "csp",
    "django_filters",
    "django_htmx",
    "template_partials",
    "tenants",
    "checks",
    "onboarding",
]

MIDDLEWARE = [
    "tenants.origin.origin_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Data
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'gangway.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Without IMMEDIATE, half of all concurrent read-modify-write transactions end in "locked".
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 600
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# --- People
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "onboarding:home"
ACCOUNT_ADAPTER = "tenants.accounts.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")

# --- Web
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(VAR_DIR / "static")))
if IS_LOCAL:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = IS_LOCAL
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if IS_LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
HTTPS = env.boolean("HTTPS", default=not IS_LOCAL)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = int(timedelta(days=7).total_seconds())
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- Workers. The broker is Redis or Valkey; without one, tasks run in place.
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL")
CELERY_TASK_ALWAYS_EAGER = not CELERY_BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 150
CELERY_TASK_SOFT_TIME_LIMIT = 120
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The visibility timeout must exceed the longest task; kombu restores lost messages only on every
# tenth tick of the restore interval, so its default of 10 s would add up to 100 s.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600, "unacked_restore_interval": 1}
CHECKS_TICK_SECONDS = env.integer("CHECKS_TICK_SECONDS", 2, least=1, most=3600)
CELERY_BEAT_SCHEDULE = {
    "queue-due-checks": {
        "task": "checks.queue_due_checks",
        "schedule": float(CHECKS_TICK_SECONDS),
        # A tick that waited is worth nothing: the next one finds the same rows.
        "options": {"expires": CHECKS_TICK_SECONDS * 5},
    },
    "reconcile-plans": {"task": "onboarding.reconcile", "schedule": timedelta(days=1)},
}

# --- Checks
CHECKS_NAMESERVERS = env.name_servers("CHECKS_NAMESERVERS")
CHECKS_AUTHORITATIVE_PORT = env.integer("CHECKS_AUTHORITATIVE_PORT", 53, least=1, most=65535)
CHECKS_ALLOWED_NETWORKS = env.networks("CHECKS_ALLOWED_NETWORKS")
# (suffix, name servers, authoritative port): names under the suffix are asked there instead.
CHECKS_ROUTES: list[tuple[str, list[tuple[str, int]], int]] = []
CHECKS_EXTRA_CA_FILE = env.text("CHECKS_EXTRA_CA_FILE")
if LAB and LAB_PLACES is not None:
    LAB_ROUTING = places.routing(LAB_PLACES, LAB_DIR)
    CHECKS_ALLOWED_NETWORKS.append(LAB_ROUTING.allowed_network)
    CHECKS_ROUTES.append(
        (LAB_ROUTING.suffix, list(LAB_ROUTING.nameservers), LAB_ROUTING.authoritative_port)
    )
    CHECKS_EXTRA_CA_FILE = CHECKS_EXTRA_CA_FILE or str(LAB_ROUTING.ca_file)
CHECKS_BUDGET_SECONDS = env.integer("CHECKS_BUDGET_SECONDS", 20, least=1, most=200)
CHECKS_CONCURRENCY = env.integer("CHECKS_CONCURRENCY", 100, least=1, most=10_000)
# This worker's own egress lies in the ranges that clients open their ports to: only then can a
# refusal on 25 or 636 be the client's.
CHECKS_VANTAGE_ALLOWED = env.boolean("CHECKS_VANTAGE_ALLOWED", default=False)
# A mail server that greets everybody: only where it is reached does a closed port prove anything.
CHECKS_CONTROL_TARGET = env.host_and_port("CHECKS_CONTROL_TARGET", 25)
CHECKS_TTL_THRESHOLD_SECONDS = env.integer("CHECKS_TTL_THRESHOLD_SECONDS", 300, least=1)
# Seconds until the next look, by what the check is doing (see checks/cadence.py).
CHECKS_CADENCE = {
    "hurried": env.integer("CHECKS_HURRIED_SECONDS", 5, least=1),
    "confirming": env.integer("CHECKS_CONFIRMING_SECONDS", 15, least=1),
    "watched": env.integer("CHECKS_WATCHED_SECONDS", 60, least=1),
    "quiet": env.integer("CHECKS_QUIET_SECONDS", 3600, least=1, most=86_400),
}
# The lab lies on this machine and people watch it: there every change shows within a minute.
CHECKS_CADENCE_OF_SAMPLES = {"hurried": 3, "confirming": 4, "watched": 8, "quiet": 15}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO").upper()},
}
