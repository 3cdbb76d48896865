# One image for web, worker and beat; docker-compose.yml says which is which.
FROM python:3.11.14-slim-bookworm AS packages
COPY requirements.txt /
RUN python -m venv /opt/gangway \
    && /opt/gangway/bin/pip install --no-cache-dir --require-hashes --no-deps -r /requirements.txt

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/gangway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/srv/var
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gangway \
    && install -d -o gangway /srv/var
COPY --from=packages /opt/gangway /opt/gangway
COPY . /srv/gangway
WORKDIR /srv/gangway
# Static files are fingerprinted into the image. The key serves this one command and is not kept.
RUN SECRET_KEY=for-collecting-static-files-in-the-build DEBUG=off ALLOWED_HOSTS=build.invalid \
    python manage.py collectstatic --noinput --verbosity 0
USER 10001
EXPOSE 8000
CMD ["gunicorn", "-c", "python:config.gunicorn", "--bind", "0.0.0.0:8000", "--workers", "3", \
     "--worker-tmp-dir", "/dev/shm", "--access-logfile", "-"]
