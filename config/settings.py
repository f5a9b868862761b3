"""Everything that can be set, read once from the environment. Nothing set means: embedded, on this machine."""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url

ROOT = Path(__file__).resolve().parent.parent


def flag(name: str, default: bool = False) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}


def number(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


DATA = Path(os.environ.get("PUBLISHER_DATA") or ROOT / "var").resolve()
DATA.mkdir(parents=True, exist_ok=True)


def kept_secrets(variable: str, name: str) -> list[str]:
    """The keys of one purpose, newest first: from the environment, else made once and kept in the data folder.

    Each purpose has keys of its own, so that rotating one (say, of stored tokens) does not break the
    unsubscribe links in letters that were sent years ago.
    """
    if given := os.environ.get(variable):
        return [key.strip() for key in given.split(",") if key.strip()]
    kept = DATA / "keys" / name
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    if not kept.exists():
        keep_new(kept)
    return kept.read_text().split()


def keep_new(kept: Path) -> None:
    """A new key, there whole or not at all: of processes that start at once one makes it, and all use it."""
    folder = os.open(kept.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if kept.exists():
            return
        new = kept.with_name(f".{kept.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        new.rename(kept)
    finally:
        os.close(folder)


SECRET_KEY, *SECRET_KEY_FALLBACKS = kept_secrets("SECRET_KEY", "django")
KEYS = {name: kept_secrets(f"PUBLISHER_KEYS_{name.upper()}", name) for name in ("links", "suppression", "tokens")}

DEBUG = flag("PUBLISHER_DEBUG")
BASE_URL = (os.environ.get("PUBLISHER_BASE_URL") or "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = [urlsplit(BASE_URL).hostname or "127.0.0.1", "127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS += [host for host in os.environ.get("PUBLISHER_HOSTS", "").split(",") if host]
SECURE = BASE_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [BASE_URL]

# Where the keys that sign letters are; empty: in the data folder.
DKIM_FOLDER = os.environ.get("PUBLISHER_DKIM_FOLDER", "")
# Where what cannot be delivered comes back to; empty: to the sender.
BOUNCE_ADDRESS = os.environ.get("PUBLISHER_BOUNCE_ADDRESS", "").strip()
# The mailbox where they arrive, and what a provider signs its events with: publisher/bounces/ says what is wrong.
BOUNCE_IMAP_URL = os.environ.get("PUBLISHER_BOUNCE_IMAP_URL", "").strip()
MAIL_PROVIDER_WEBHOOK = os.environ.get("PUBLISHER_MAIL_PROVIDER_WEBHOOK", "").strip()
# Whom the deliverability doctor asks about domains; empty: as everything on this machine does.
DNS_SERVERS = os.environ.get("PUBLISHER_DNS_SERVERS", "").strip()

# What the delivery and the networks talk to. Empty means: nothing is connected yet.
SMTP_URL = os.environ.get("PUBLISHER_SMTP_URL", "")
# Or a provider that takes letters by HTTP: publisher/delivery/providers.py says in words what is wrong with these.
MAIL_PROVIDER = os.environ.get("PUBLISHER_MAIL_PROVIDER", "")
MAIL_PROVIDER_KEY = os.environ.get("PUBLISHER_MAIL_PROVIDER_KEY", "")
MAIL_PROVIDER_URL = os.environ.get("PUBLISHER_MAIL_PROVIDER_URL", "")
MAIL_PROVIDER_OPTIONS = os.environ.get("PUBLISHER_MAIL_PROVIDER_OPTIONS", "")
X_API_URL = os.environ.get("PUBLISHER_X_API_URL", "").rstrip("/") or "https://api.x.com"
GRAPH_API_URL = os.environ.get("PUBLISHER_GRAPH_API_URL", "").rstrip("/") or "https://graph.facebook.com"
# Each account is on a server of its own, which its name tells; {server} stands for it.
MASTODON_URL = os.environ.get("PUBLISHER_MASTODON_URL", "").rstrip("/") or "https://{server}"
BLUESKY_URL = os.environ.get("PUBLISHER_BLUESKY_URL", "").rstrip("/") or "https://bsky.social"
NETWORK_URLS = {"x": X_API_URL, "facebook": GRAPH_API_URL, "mastodon": MASTODON_URL, "bluesky": BLUESKY_URL}
# The apps by which accounts are connected on the networks' own pages: publisher/networks/consent.py.
NETWORK_APPS = {
    "x": {
        "client_id": os.environ.get("PUBLISHER_X_CLIENT_ID", ""),
        "client_secret": os.environ.get("PUBLISHER_X_CLIENT_SECRET", ""),
    },
    "facebook": {
        "client_id": os.environ.get("PUBLISHER_FACEBOOK_APP_ID", ""),
        "client_secret": os.environ.get("PUBLISHER_FACEBOOK_APP_SECRET", ""),
        "version": os.environ.get("PUBLISHER_GRAPH_VERSION", ""),
        "insights": "yes" if flag("PUBLISHER_FACEBOOK_INSIGHTS") else "",
    },
}
# What holds for every account of a network whose credentials say nothing else.
NETWORK_OPTIONS = {"facebook": {"version": os.environ.get("PUBLISHER_GRAPH_VERSION", "")}}
# What networks charge.
PRICES = Path(os.environ.get("PUBLISHER_PRICES") or ROOT / "config" / "prices.toml")
SANDBOX_URL = os.environ.get("PUBLISHER_SANDBOX_URL", "").rstrip("/")
# What the sandbox stands in for: mail and networks, by name. What is not named here is real.
SANDBOXED = tuple(
    filter(
        None,
        os.environ.get("PUBLISHER_SANDBOXED", "mail,x,facebook,mastodon,bluesky" if SANDBOX_URL else "").split(","),
    )
)
# The demo's promise: with this set nothing but this machine is ever talked to.
LOOPBACK_ONLY = flag("PUBLISHER_LOOPBACK_ONLY")
ALLOW_LOOPBACK_SOURCES = flag("PUBLISHER_ALLOW_LOOPBACK_SOURCES", LOOPBACK_ONLY)

# Seconds, but for what says otherwise.
CLAIM_SIZE = number("PUBLISHER_CLAIM_SIZE", 5000)
CLAIM_LEASE = number("PUBLISHER_CLAIM_LEASE", 30)
CONNECTIONS = number("PUBLISHER_CONNECTIONS", 16)  # of one worker to all relays
TURN = number("PUBLISHER_TURN", 20)  # after so long a worker gives the rest of its batch back, and may be stopped
SENDERS_AT_ONCE = number("PUBLISHER_SENDERS_AT_ONCE", 4)  # workers that may send one digest
LATE_AFTER = number("PUBLISHER_LATE_AFTER", 6 * 3600)
# Days for which is kept what publisher/retention.py says; 0: for good.
KEEP_ADDRESSES = number("PUBLISHER_KEEP_ADDRESSES", 90)
KEEP_NOTICES = number("PUBLISHER_KEEP_NOTICES", 90)
KEEP_NETWORKS = number("PUBLISHER_KEEP_NETWORKS", 400)
KEEP_LEFT = number("PUBLISHER_KEEP_LEFT", 730)
KEEP_EVENTS = number("PUBLISHER_KEEP_EVENTS", 1100)
# How fast to send: as they were written, because publisher/delivery/ says in words what is wrong with them.
RATE = os.environ.get("PUBLISHER_RATE", "")
DOMAIN_RATE = os.environ.get("PUBLISHER_DOMAIN_RATE", "")
DOMAIN_CONNECTIONS = os.environ.get("PUBLISHER_DOMAIN_CONNECTIONS", "")
DOMAINS = os.environ.get("PUBLISHER_DOMAINS", "")
WARM_UP = os.environ.get("PUBLISHER_WARM_UP", "")
CLOCK_TICK = number("PUBLISHER_CLOCK_TICK", 2)

# "This is a further machine of the installation with this id": publisher/epoch.py.
EPOCH = os.environ.get("PUBLISHER_EPOCH", "").strip()

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or f"sqlite:///{DATA / 'publisher.sqlite3'}", conn_max_age=60
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction that reads, then writes, must not find the lock taken halfway.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: the ledger of what was sent must survive a power cut, not only a crash.
        # secure_delete: whoever is forgotten must not be found in the file either, and not every SQLite does that.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
    }

# The first is what Celery itself looks for before anything that it is told; `publisher up` sets both.
BROKER_URL = os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL", "")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "publisher",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "publisher.web.strangers.unread",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    # After it: what another site sends is not even read.
    "publisher.web.unstorable.Unstorable",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "publisher.Person"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [ROOT / "templates" / "web"],
        "OPTIONS": {
            "environment": "config.jinja.environment",
            "context_processors": [
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "items"
LOGOUT_REDIRECT_URL = "sign-in"

SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = SECURE and flag("PUBLISHER_SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"  # a letter, which is shown in a frame of our own, says otherwise of itself
if flag("PUBLISHER_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}

STATIC_URL = "static/"
STATICFILES_DIRS = [ROOT / "publisher" / "web" / "static"]
# Where `collectstatic` put the files, in a container; without it they are served from where they stand.
STATIC_ROOT = os.environ.get("PUBLISHER_STATIC_ROOT") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

# What is remembered for minutes is shared by all processes that have a Redis in common.
REDIS_URL = os.environ.get("REDIS_URL", "")
CACHES: dict[str, dict[str, str]] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if urlsplit(REDIS_URL).scheme in {"redis", "rediss", "unix"}:
    CACHES["default"] = {
        "BACKEND": "publisher.remembering.Shared", "LOCATION": REDIS_URL, "KEY_PREFIX": "publisher",
    }  # fmt: skip

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# The same for web, clock, workers and commands; somebody at a terminal reads words, a collector reads JSON.
LOGGING_CONFIG = "config.logs.configure"
LOGGING = os.environ.get("PUBLISHER_LOG_FORMAT") or ("console" if sys.stderr.isatty() else "json")
