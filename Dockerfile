# One image for web, worker, clock and migrate: docker-compose.yml says which, by command.

FROM python:3.13-slim-trixie AS packages
COPY requirements.lock /
# By hash, and wheels alone: nothing that was downloaded runs while the image is built.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r /requirements.lock

FROM python:3.13-slim-trixie
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings \
    PUBLISHER_BIND=0.0.0.0:8000 \
    PUBLISHER_DATA=/data \
    PUBLISHER_STATIC_ROOT=/app/static
# The number is fixed, so that a volume which was written by one image can be read by the next.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin publisher \
    && install --directory --owner publisher --mode 0700 /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY LICENSE ./
COPY config config
COPY templates templates
COPY workers workers
COPY publisher publisher
# What is served and run is made here, as root: at run time nothing below /app can be written, nor need be.
# Settings keep their keys in the data folder; those of this build are thrown away with it.
RUN PUBLISHER_DATA=/tmp/build python -m django collectstatic --no-input --verbosity 0 \
    && rm -r /tmp/build \
    && python -m compileall -q config workers publisher
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "--config", "config/gunicorn.py", "config.wsgi"]
