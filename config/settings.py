"""Django settings, read from the environment only.

Without an environment a checkout runs on SQLite, and Celery tasks run in the calling process.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from checks.lab import addresses
from config import env, generic_classes, queues
from config.beat_schedule import beat_schedule
from config.version import version

generic_classes.allow_subscripts()

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = version()
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.boolean("DEBUG", default=True)
SECRET_KEY = env.text("SECRET_KEY", "for-a-checkout-without-environment-only" if DEBUG else "")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("DEBUG is off: set SECRET_KEY to at least 32 random characters.")
# Former keys: sessions, links in e-mails and authenticator seeds that used them remain valid.
SECRET_KEY_FALLBACKS = env.comma_separated("SECRET_KEY_FALLBACKS")

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "[::1]"}
ALLOWED_HOSTS = env.comma_separated("ALLOWED_HOSTS", sorted(LOOPBACK_HOSTS))
# Only an installation that answers on this machine alone may have the lab and its sample people.
IS_LOCAL = set(ALLOWED_HOSTS) <= LOOPBACK_HOSTS
if DEBUG and not IS_LOCAL:
    raise ImproperlyConfigured("ALLOWED_HOSTS names more than this machine: set DEBUG=off.")
CSRF_TRUSTED_ORIGINS = env.comma_separated("CSRF_TRUSTED_ORIGINS")

# --- The lab: name servers and mail hosts on loopback, for the sample tenants under .test only.
LAB_DIR = VAR_DIR / "lab"
LAB_PORT = env.integer("LAB_PORT", addresses.LabEndpoints.port, minimum=1, maximum=65535)
LAB_PLACES = addresses.current(LAB_DIR)
LAB = env.boolean("LAB", default=IS_LOCAL and LAB_PLACES is not None)
if LAB and not IS_LOCAL:
    raise ImproperlyConfigured("LAB is on, but ALLOWED_HOSTS names more than this machine.")

INSTALLED_APPS = [
    # Without discovery: the site of onboarding.repairs is the only one.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "csp",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "config.template_partials.TemplatePartials",
    "tenants",
    "checks",
    "onboarding",
]

MIDDLEWARE = [
    "tenants.request_context.request_origin_middleware",
    "tenants.middleware.headers_middleware",
    "tenants.secret_addresses.secret_address_middleware",
    "config.compression.PageCompressionMiddleware",
    "tenants.rest.middleware.problem_middleware",
    "onboarding.provisioning.middleware.scim_error_middleware",
    "tenants.middleware.visible_text_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "tenants.middleware.nul_middleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.session_end.SessionEndMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.middleware.second_factor_middleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tenants.middleware.conflict_middleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATE_LOADERS = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [("django.template.loaders.cached.Loader", TEMPLATE_LOADERS)],
                )
            ],
            "builtins": ["tenants.templatetags.reuse"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context_processors.product_version",
                "config.context_processors.live_streams",
                "config.context_processors.bell",
                "config.context_processors.tour",
            ],
        },
    }
]

# Inputs and selects without templates.
FORM_RENDERER = "tenants.form_renderer.FormRenderer"

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
    # A server that does not answer must not delay a request: its page follows within seconds.
    # JIT compiles a query of a page for longer than the query takes.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 2,
        "tcp_user_timeout": 1000,
        "options": "-c jit=off",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "config.fallback_cache.FallbackRedisCache",
        "LOCATION": REDIS_URL,
        # A request may wait for the cache and for the broker, and answers within 3 s.
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
    if REDIS_URL
    else {"BACKEND": "config.fallback_cache.ProcessCache"}
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
    {"NAME": "tenants.passwords.GuessablePasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = int(timedelta(hours=2).total_seconds())
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "onboarding:home"
ACCOUNT_ADAPTER = "tenants.accounts.InvitationOnlyAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# The invitation behind each account verifies its e-mail address.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = int(timedelta(minutes=10).total_seconds())
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# An unknown address also gets an e-mail, so that neither page nor duration reveals the accounts.
# The seconds of a response that must not reveal whether an address has an account.
EQUAL_TIME_SECONDS = 0.5
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "request_login_code": "4/10m/key",
    "reset_password": "10/m/ip,4/10m/key",
    "reset_password_from_key": "10/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
MFA_ADAPTER = "tenants.second_factor.SecondFactorAdapter"
ACCOUNT_FORMS = {
    "login": "tenants.account_forms.SignInForm",
    "reset_password": "tenants.account_forms.PasswordResetForm",
    "request_login_code": "tenants.account_forms.SignInCodeForm",
}
MFA_FORMS = {
    "add_webauthn": "tenants.account_forms.AddPasskeyForm",
    "login_webauthn": "tenants.account_forms.PasskeyLoginForm",
    "authenticate_webauthn": "tenants.account_forms.PasskeyAuthenticateForm",
    "reauthenticate_webauthn": "tenants.account_forms.PasskeyReauthenticateForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# The library rejects a used code for one period only. With a tolerance it could be used again.
MFA_TOTP_TOLERANCE = 0
STAFF_SECOND_FACTOR = env.boolean("STAFF_SECOND_FACTOR", default=not IS_LOCAL)
# The number of our proxies before the web process. So many addresses of X-Forwarded-For are
# trusted, from its end, and none by default.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, maximum=10)

# --- Single sign-on, for people with an account
OIDC_SERVER_URL = env.web_address("OIDC_SERVER_URL", plain_allowed=IS_LOCAL)
# The roles of the staff come from the provider's groups, if these have roles.
OIDC_GROUP_ROLES = env.roles_of_groups(
    "OIDC_GROUP_ROLES", ("administrator", "consultant", "manager")
)
OIDC_GROUPS_CLAIM = env.text("OIDC_GROUPS_CLAIM") or "groups"
OIDC_SCOPES = (env.text("OIDC_SCOPES") or "openid email").split()
# `tenants` imports no other app, so it finds the function for public addresses by its name.
PUBLIC_ADDRESS_TEST = "checks.engine.addresses.is_public_text"
# Hosts inside the operator's own network that may receive webhooks, also without HTTPS.
WEBHOOK_INTERNAL_HOSTS = env.targets("WEBHOOK_INTERNAL_HOSTS")
SOCIALACCOUNT_ADAPTER = "tenants.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "APPS": [
            {
                "provider_id": "single-sign-on",
                "name": env.text("OIDC_NAME") or "single sign-on",
                "client_id": env.required("OIDC_CLIENT_ID", "OIDC_SERVER_URL"),
                "secret": env.required("OIDC_CLIENT_SECRET", "OIDC_SERVER_URL"),
                "settings": {"server_url": OIDC_SERVER_URL, "oauth_pkce_enabled": True},
            }
        ]
        if OIDC_SERVER_URL
        else []
    }
}

# --- E-mail
# E-mails contain codes and links. A local installation without a mail server writes them to files,
# which only the user of the machine can read. No log contains them.
EMAIL_TO_FILES = IS_LOCAL and not env.text("EMAIL_HOST")
EMAIL_HOST = env.text("EMAIL_HOST") or "localhost"
EMAIL_PORT = env.integer("EMAIL_PORT", 587, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 20
EMAIL_BACKEND = env.text(
    "EMAIL_BACKEND",
    f"django.core.mail.backends.{'filebased' if EMAIL_TO_FILES else 'smtp'}.EmailBackend",
)
EMAIL_FILE_PATH = VAR_DIR / "mail"
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL") or "gangway@localhost"

# The base of links in e-mails, such as https://gangway.example. Default: the request's host.
SITE_URL = env.text("SITE_URL").rstrip("/")

# --- Files that people upload, and exports. Web and worker processes share this folder.
FILES_DIR = Path(env.text("FILES_DIR", str(VAR_DIR / "files")))
FILES_MAX_BYTES = env.integer("FILES_MAX_BYTES", 10 * 1024 * 1024, minimum=1)
# An archive of a tenant contains its files and closing packs.
ARCHIVE_MAX_BYTES = env.integer("ARCHIVE_MAX_BYTES", 1024 * 1024 * 1024, minimum=1)
FILE_UPLOAD_HANDLERS = [
    "onboarding.collaboration.uploads.SizeLimit",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

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
    "staticfiles": {"BACKEND": "config.stylesheet.StylesheetStorage"},
}
# --- Open pages (config/live). Behind a proxy, streams have the origin of the pages. `make run` has
# no proxy, and serves them from another port.
LIVE_PORT = env.integer("LIVE_PORT", 0, maximum=65535)
if LIVE_PORT and not IS_LOCAL:
    raise ImproperlyConfigured("LIVE_PORT is for this machine only: let the proxy pass on /live/.")
LIVE_STREAMS = env.boolean("LIVE_STREAMS", default=not IS_LOCAL or LIVE_PORT > 0)
LIVE_MAX_STREAMS = env.integer("LIVE_MAX_STREAMS", 10_000, minimum=1)
LIVE_MAX_STREAMS_PER_PERSON = env.integer("LIVE_MAX_STREAMS_PER_PERSON", 20, minimum=1)
LIVE_ORIGINS = [f"http://{host}:{LIVE_PORT}" for host in ("127.0.0.1", "localhost") if LIVE_PORT]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF, *LIVE_ORIGINS],
        # Browsers apply this also to the redirect to the provider that follows our form.
        "form-action": [SELF, *([env.origin_of(OIDC_SERVER_URL)] if OIDC_SERVER_URL else [])],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
HTTPS = env.boolean("HTTPS", default=not IS_LOCAL)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
# A browser accepts a __Host- cookie only from this host, over HTTPS, with the path /.
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrftoken"
SESSION_COOKIE_AGE = 3600 * env.integer("SESSION_HOURS", 24 * 7, minimum=1, maximum=24 * 30)
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"  # pages with a secret address: tenants.secret_addresses
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# A profile of 200 domains and its hosts has about 2,000 fields.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4_000
DEFAULT_EXCEPTION_REPORTER = "config.redaction.RedactingExceptionReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.redaction.RedactingReporterFilter"

# --- The REST API. Every error has the shape of problem details.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tenants.rest.authentication.TokenAuthentication",
        "tenants.rest.authentication.PageSessionAuthentication",
    ],
    # `tenants.rest.views` also checks the permission of each view.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["tenants.rest.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": [
        "tenants.rest.filters.RequestedFilters",
        "tenants.rest.pagination.KnownOrdering",
    ],
    "DEFAULT_SCHEMA_CLASS": "tenants.rest.schema.ResourceSchema",
    "EXCEPTION_HANDLER": "onboarding.error_responses.problem_response",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gangway API",
    "DESCRIPTION": "Tenants, plans, checks and cutovers of the move to the Mimecast gateway.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # `fields` removes any field of a response.
    "COMPONENT_NO_READ_ONLY_REQUIRED": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["tenants.rest.schema.without_live_addresses"],
    "POSTPROCESSING_HOOKS": ["tenants.rest.schema.complete"],
}

# --- Workers. The broker is Redis or Valkey. Without one, tasks run in the calling process.
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL")
CELERY_TASK_ALWAYS_EAGER = not CELERY_BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ROUTES = queues.ROUTES
CELERY_TASK_DEFAULT_QUEUE = queues.LONG
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 150
CELERY_TASK_SOFT_TIME_LIMIT = 120
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The visibility timeout must exceed the longest task. kombu restores lost messages only on every
# tenth tick of the restore interval, so its default of 10 s would mean 100 s.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "unacked_restore_interval": 1,
    "queue_order_strategy": "sorted",
    # Without these, a request waits without end for a Redis that accepts and does not answer.
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "max_retries": 0,
}
CHECKS_TICK_SECONDS = env.integer("CHECKS_TICK_SECONDS", 2, minimum=1, maximum=3600)
CELERY_BEAT_SCHEDULE = beat_schedule(tick_seconds=CHECKS_TICK_SECONDS)

# --- Checks
CHECKS_NAMESERVERS = env.name_servers("CHECKS_NAMESERVERS")
CHECKS_RESOLVERS = env.name_servers("CHECKS_RESOLVERS")
CHECKS_AUTHORITATIVE_PORT = env.integer("CHECKS_AUTHORITATIVE_PORT", 53, minimum=1, maximum=65535)
CHECKS_ALLOWED_NETWORKS = env.networks("CHECKS_ALLOWED_NETWORKS")
# (suffix, name servers, authoritative port): queries under the suffix go to these servers.
CHECKS_ROUTES: list[tuple[str, list[tuple[str, int]], int]] = []
CHECKS_EXTRA_CA_FILE = env.file_path("CHECKS_EXTRA_CA_FILE")
if LAB and LAB_PLACES is not None:
    LAB_ROUTING = addresses.routing(LAB_PLACES, LAB_DIR)
    CHECKS_ALLOWED_NETWORKS.append(LAB_ROUTING.allowed_network)
    CHECKS_ROUTES.append(
        (LAB_ROUTING.suffix, list(LAB_ROUTING.nameservers), LAB_ROUTING.authoritative_port)
    )
    CHECKS_EXTRA_CA_FILE = CHECKS_EXTRA_CA_FILE or str(LAB_ROUTING.ca_file)
CHECKS_BUDGET_SECONDS = env.integer("CHECKS_BUDGET_SECONDS", 20, minimum=1, maximum=200)
CHECKS_CONCURRENCY = env.integer("CHECKS_CONCURRENCY", 100, minimum=1, maximum=10_000)
if 200 * CHECKS_BUDGET_SECONDS > 100 * CHECKS_CONCURRENCY:
    # A batch of 200 subjects must end well before the task's time limit, or it would never record.
    raise ImproperlyConfigured(
        "CHECKS_BUDGET_SECONDS is too long for CHECKS_CONCURRENCY: a batch would outlive its task."
    )
# Whether this worker's egress address is in the ranges for which clients open their ports. Only
# then can a refusal on port 25 or 636 be the client's.
CHECKS_VANTAGE_ALLOWED = env.boolean("CHECKS_VANTAGE_ALLOWED", default=False)
# A mail server that accepts every connection. A closed port is evidence only if this is reachable.
CHECKS_CONTROL_TARGET = env.host_and_port("CHECKS_CONTROL_TARGET", 25)
if CHECKS_CONTROL_TARGET is None and LAB and LAB_PLACES is not None:
    # The lab's own, so that the lockdown of the sample tenants has a verdict.
    CHECKS_CONTROL_TARGET = (LAB_PLACES.control_host, LAB_PLACES.smtp_port)
# An older test message is no proof of the present configuration.
CHECKS_MESSAGE_DAYS = env.integer("CHECKS_MESSAGE_DAYS", 7, minimum=1, maximum=90)
CHECKS_TTL_THRESHOLD_SECONDS = env.integer("CHECKS_TTL_THRESHOLD_SECONDS", 300, minimum=1)
# Seconds until the next run, by the interval of the check (see checks/scheduling.py).
CHECKS_INTERVAL_SECONDS = {
    "cutover": env.integer("CHECKS_CUTOVER_SECONDS", 10, minimum=1, maximum=60),
    "requested": env.integer("CHECKS_REQUESTED_SECONDS", 5, minimum=1, maximum=60),
    "settling": env.integer("CHECKS_SETTLING_SECONDS", 15, minimum=1),
    "unsettled": env.integer("CHECKS_UNSETTLED_SECONDS", 60, minimum=1),
    "reopening": env.integer("CHECKS_REOPENING_SECONDS", 150, minimum=1, maximum=3600),
    "idle": env.integer("CHECKS_IDLE_SECONDS", 3600, minimum=1, maximum=86_400),
}
# For how long every run must contradict a settled PASS before the verdict changes (see
# checks/settling.py).
CHECKS_REOPEN_AFTER_SECONDS = env.integer(
    "CHECKS_REOPEN_AFTER_SECONDS", 600, minimum=1, maximum=86_400
)
# The lab is on this machine and users observe it: each change appears within a minute.
CHECKS_INTERVAL_SECONDS_OF_SAMPLES = {
    "cutover": 3,
    "requested": 3,
    "settling": 4,
    "unsettled": 8,
    "reopening": 5,
    "idle": 15,
}
CHECKS_REOPEN_AFTER_SECONDS_OF_SAMPLES = 8

# --- Notifications: the days after which they are deleted, also unread ones, and the time in which
# a notification that is read causes no e-mail.
NOTIFICATION_DAYS = env.integer("NOTIFICATION_DAYS", 90, minimum=1, maximum=3650)
NOTIFICATION_EMAIL_SECONDS = env.integer(
    "NOTIFICATION_EMAIL_SECONDS", 300, minimum=0, maximum=86_400
)

# --- Monitoring: the quiet time before a drift is notified, and the number of days for which the
# MX TTL of a domain may remain low after its cutover.
DRIFT_QUIET_SECONDS = env.integer("DRIFT_QUIET_SECONDS", 300, minimum=0, maximum=86_400)
DRIFT_TTL_DAYS = env.integer("DRIFT_TTL_DAYS", 14, minimum=1, maximum=365)
# Working days after which a task that waits on one side is a risk of its tenant.
RISK_WAITING_DAYS = env.integer("RISK_WAITING_DAYS", 5, minimum=1, maximum=365)
# Working days without a changed task after which the desk lists an implementation.
DESK_QUIET_DAYS = env.integer("DESK_QUIET_DAYS", 5, minimum=1, maximum=365)
# How long the history of checks after the sign-off is stored (onboarding.lifecycle.pruning).
MONITORING_HISTORY_DAYS = env.integer("MONITORING_HISTORY_DAYS", 400, minimum=90, maximum=36_500)

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "config.redaction.RedactingFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", "INFO", LOG_LEVELS)},
    # Django's own handlers would write each line a second time, with the secrets.
    "loggers": {"django": {"handlers": []}, "django.server": {"handlers": [], "propagate": True}},
}
