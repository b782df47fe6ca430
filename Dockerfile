# Two stages: what installs stays behind. The embedded PostgreSQL is an extra that the image leaves out.
# The base is named by its digest, so that it is the same tomorrow; a bot renews it: docs/DEPLOY.md.
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /srv/trellis
COPY requirements/runtime.txt requirements/sbom.txt /tmp/
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes -r /tmp/runtime.txt
COPY pyproject.toml README.md LICENSE LICENSES.md alembic.ini ./
COPY app app
COPY modules modules
COPY shared shared
COPY migrations migrations
# What the pages are made of.
COPY CHANGELOG.md ./
COPY docs docs
RUN find modules -type d -name tests -prune -exec rm -r {} + \
 && /opt/venv/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation --no-index -e . \
 && /opt/venv/bin/pip check \
 && /opt/venv/bin/pip uninstall --yes --quiet setuptools pip
# What is inside, of what licence, as it was installed. The tool stays behind.
RUN python -m venv /opt/sbom \
 && /opt/sbom/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /tmp/sbom.txt \
 && /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
    --output-format JSON --output-file sbom.cdx.json /opt/venv
# Sources in C, stubs and tests of packages are never read: a sixth of the whole.
RUN find /opt/venv -type f \( -name '*.c' -o -name '*.h' -o -name '*.p[xy][dxi]' \) -delete \
 && find /opt/venv/lib -type d -name tests -prune -exec rm -r {} + \
 && python -m compileall -q /opt/venv app modules shared migrations

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Trellis" \
      org.opencontainers.image.description="A production-grade REST API, built as a modular monolith" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
WORKDIR /srv/trellis
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/trellis .
# A number, so that an orchestrator can tell that it is not root. After the folders, which are root's.
USER 10001:10001
# Nothing is written but into TMPDIR: the root file system may be read-only.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TRELLIS_HOST=0.0.0.0 PORT=8000
EXPOSE 8000
# Alive, not ready: a database that is away is no reason to restart what waits for it. Not by `urllib`, which would ask the
# proxy of an `http_proxy` in the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import http.client as h, os; c = h.HTTPConnection('localhost', os.environ['PORT'], timeout=2); c.request('GET', '/health/live'); assert c.getresponse().status == 200"]
CMD ["trellis", "serve"]
