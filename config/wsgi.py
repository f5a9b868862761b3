from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from config import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
logs.configure()
application = get_wsgi_application()
