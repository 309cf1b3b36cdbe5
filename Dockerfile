# The engine, and nothing that a model brings: no TensorFlow, no compiler. An image per model is built on top of this one.
#
#   docker build -t scoring-engine .
#   docker run --rm -p 8000:8000 -e ENGINE_HOST=0.0.0.0 -e ENGINE_NO_AUTH=1 -v engine:/var/lib/engine scoring-engine
#
# The engine binds 127.0.0.1, inside the container too, until it is told another address, and refuses one that whoever
# reaches it could use: ENGINE_NO_AUTH=1 says that the network around the container is trusted.

# Debian with a Python from 3.11 to 3.13, and its venv module.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements/bootstrap.txt requirements/core.txt requirements/
# The dependencies before the source: a change of the source does not fetch them again. Wheels only, so nothing is compiled.
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/bootstrap.txt \
 && python3 -m venv --without-pip /opt/engine \
 && /opt/build/bin/uv pip install --no-cache --compile-bytecode --only-binary :all: --require-hashes \
        --python /opt/engine/bin/python -r requirements/core.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY engine engine
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels . \
 && /opt/build/bin/uv pip install --no-cache --compile-bytecode --no-deps --python /opt/engine/bin/python /wheels/*.whl

FROM ${BASE}
# tini, so that the engine is not process 1: orphans of a model's process are reaped, and signals arrive.
# It is not pinned: the base decides its release, and a release holds one tini.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/engine --create-home engine
COPY --from=build /opt/engine /opt/engine
ENV PATH=/opt/engine/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ENGINE_STATE=/var/lib/engine
USER 10001
WORKDIR /var/lib/engine
# State, library and the environments of models, which live under the home directory.
VOLUME /var/lib/engine
EXPOSE 8000
# A first answer takes a second or two; three failures in a row mean that it hangs.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["python", "-c", \
 "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('ENGINE_PORT') or 8000), timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["tini", "--", "engine"]
CMD ["serve"]
