# syntax=docker/dockerfile:1

# First stage: everything as wheels, so that the second needs no compiler and no network.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY src ./src
RUN python -m pip wheel --no-cache-dir --wheel-dir /wheels '.[cluster]' \
 && python -m venv /opt/logmq \
 && /opt/logmq/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels 'logmq[cluster]'

FROM python:3.13-slim
LABEL org.opencontainers.image.title="LogMQ" \
      org.opencontainers.image.description="A durable log / message broker: append-only topics on plain files" \
      org.opencontainers.image.licenses="Apache-2.0"

# The uid is fixed, so that the owner of a mounted directory can be set before the first start.
RUN groupadd --system --gid 10001 logmq \
 && useradd --system --uid 10001 --gid logmq --home-dir /var/lib/logmq --no-create-home --shell /usr/sbin/nologin logmq \
 && install --directory --owner=logmq --group=logmq --mode=0750 /var/lib/logmq
COPY --from=build /opt/logmq /opt/logmq

# A container is reached from outside itself, so the broker listens on all of its addresses. Whatever follows
# the image's name on `docker run` is added as flags of `logmq serve` and wins over these.
ENV PATH=/opt/logmq/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOGMQ_HOST=0.0.0.0 \
    LOGMQ_DATA_DIR=/var/lib/logmq

USER 10001:10001
VOLUME /var/lib/logmq
EXPOSE 8080

# The broker is healthy when it answers PING. After a hard stop it may first have to recover, hence the start period.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, socket; s = socket.create_connection(('127.0.0.1', int(os.environ.get('LOGMQ_PORT') or 8080)), 3); s.sendall(b'PING\\n'); raise SystemExit(s.makefile('rb').readline() != b'PONG\\n')"]

# SIGTERM drains: what was received is answered, then the broker stops.
STOPSIGNAL SIGTERM
ENTRYPOINT ["logmq", "serve"]
