"""One settings file, from the environment. Everything has a working default for one practice on one machine."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from psycopg import conninfo

from recare.base import logs, secret_box
from recare.base.postgres import database_url

ROOMS = (
    "base", "channels", "accounts", "practices", "patients", "consent", "sources", "segments", "campaigns", "messages",
    "calls", "inbox", "bookings", "portal", "reports", "jobs", "rehearsal", "web",
)  # fmt: skip


def _flag(name: str, *, default: bool) -> bool:
    given = os.environ.get(name, "").strip().lower()
    if given in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return given in {"1", "true", "yes", "on"} if given else default
    raise ValueError(f"{name}={given!r} is neither yes nor no.")


def _database() -> dict[str, object]:
    parts = conninfo.conninfo_to_dict(os.environ.get("DATABASE_URL", "").strip() or database_url())
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.get("dbname", ""),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": str(parts.get("port", "")),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {key: parts[key] for key in ("sslmode", "sslrootcert") if key in parts},
    }


BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = secret_box.installation_key()
PUBLIC_URL = os.environ.get("RECARE_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
"""What patients' links begin with; anything but the demo needs the practice's own https address here."""
DEBUG = False
ALLOWED_HOSTS = [unquote(urlsplit(PUBLIC_URL).hostname or ""), "127.0.0.1", "localhost", "[::1]", "testserver"]
ALLOWED_HOSTS += [host for host in os.environ.get("RECARE_HOSTS", "").split(",") if host]
HTTPS = PUBLIC_URL.startswith("https://")
# TLS ends at a proxy in front of us, which must set these two headers itself and drop what a visitor sends (docs/operate/install.md).
PROXIES = int(os.environ.get("RECARE_PROXIES", "1" if HTTPS else "0"))
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXIES else None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if HTTPS else []

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "procrastinate.contrib.django",
    *(f"recare.{room}" for room in ROOMS),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "recare.accounts.sessions.IdleSignOut",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "recare.urls"
WSGI_APPLICATION = "recare.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "recare.practices.access.navigation",
            ],
        },
    }
]
DATABASES = {"default": _database()}
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "queue"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "recare_accounts.Staff"
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
USE_I18N = True
LANGUAGES = [("en", "English"), ("es", "Español")]
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# Clinic computers are shared: 15 minutes without a request sign out, 12 hours do in any case (SEC-03).
SESSION_IDLE_SECONDS = int(os.environ.get("RECARE_IDLE_SECONDS", str(15 * 60)))
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_SSL_REDIRECT = _flag("RECARE_REDIRECT_TO_HTTPS", default=False)
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024**2
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024**2
FILE_UPLOAD_PERMISSIONS = 0o600

LOGGING_CONFIG = None  # our own set-up below redacts every line
logs.set_up(os.environ.get("RECARE_LOG_LEVEL", "WARNING"))
