"""How the service is put together."""

# Whoever loads the settings gets our Celery application with them: a process without it would hand its work to
# Celery's default broker, an AMQP server on this machine that nobody runs, and wait for it on each request.
from .celery import app as celery_app

__all__ = ["celery_app"]
