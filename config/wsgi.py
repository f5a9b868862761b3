from __future__ import annotations

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from config import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
logs.configure()
application = get_wsgi_application()
# Every page's code now, before a worker takes requests, and not in somebody's first one: that took seconds.
import_module(settings.ROOT_URLCONF)
