FROM python:3.13-slim AS build
COPY . /src
RUN python -m venv /opt/ingestion && /opt/ingestion/bin/pip install --no-cache-dir '/src[all]'

FROM python:3.13-slim
COPY --from=build /opt/ingestion /opt/ingestion
# A new volume takes over the owner of this directory.
RUN useradd --no-log-init --uid 10001 --home-dir /var/lib/ingestion --create-home ingestion
USER 10001
WORKDIR /var/lib/ingestion
VOLUME /var/lib/ingestion
# It listens on every address of the container, so it starts only with INGEST_API_KEYS, or with INGEST_ALLOW_OPEN=1.
ENV PATH=/opt/ingestion/bin:$PATH \
    INGEST_HOST=0.0.0.0 \
    INGEST_PORT=8000 \
    INGEST_STORE=sqlite:////var/lib/ingestion/queue.db \
    INGEST_LOG_FORMAT=json
EXPOSE 8000
# It asks at the address that the service listens on: with INGEST_HOST=:: nothing answers at 127.0.0.1.
# A container that only works is healthy with the command flask-ingestion worker --listen.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection(os.environ['INGEST_HOST'], int(os.environ['INGEST_PORT'])); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
# The exec form: SIGTERM has to reach the process itself.
CMD ["flask-ingestion", "serve"]
