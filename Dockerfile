# The engine, and nothing that a model brings: no TensorFlow, no compiler. `engine image build MODEL` puts a model on top.
#
#   docker build -t localhost/scoring-engine:0.1.0 .
#   docker run --rm -p 8000:8000 -e ENGINE_NO_AUTH=1 -v engine:/var/lib/engine localhost/scoring-engine:0.1.0
#
# The engine binds 127.0.0.1, inside the container too, until ENGINE_NO_AUTH=1 says that the network around the container
# is trusted: whoever reaches the port may run code. docs/images.md has the rest.

# Debian with a Python from 3.11 to 3.13, and its venv module.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
# Certificates of the base, so that a company's own count. Compiled files that go by content: their sources' times change
# when layers are made reproducible, and nothing could be compiled anew on a read-only file system.
ENV UV_NATIVE_TLS=1 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
WORKDIR /src
COPY requirements/bootstrap.txt requirements/core.txt requirements/
# The dependencies before the source: a change of the source does not fetch them again. Wheels only, so nothing is compiled.
# The tests of numpy are a quarter of it and never run here.
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/bootstrap.txt \
 && python3 -m venv --without-pip /opt/engine \
 && /opt/build/bin/uv pip install --no-cache --only-binary :all: --require-hashes \
        --python /opt/engine/bin/python -r requirements/core.txt \
 && find /opt/engine/lib -type d -name tests -prune -exec rm -rf {} + \
 && /opt/engine/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/engine/lib
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY engine engine
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels . \
 && /opt/build/bin/uv pip install --no-cache --compile-bytecode --no-deps --python /opt/engine/bin/python /wheels/*.whl

FROM ${BASE}
# tini, so that the engine is not process 1: orphans of a model's process are reaped (-s: also where tini is not process 1
# itself, as in a pod with one process table), and signals arrive. A base that has it
# is left as it is. It is not pinned: the base decides its release, and a release holds one tini.
# hadolint ignore=DL3008
RUN { command -v tini >/dev/null \
      || { apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*; }; } \
 && groupadd --system --gid 10001 engine \
 && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/engine --no-create-home engine \
 && install -d -o 10001 -g 10001 /var/lib/engine
COPY --from=build /opt/engine /opt/engine
# ENGINE_IMAGE says that this is a container: see docs/images.md for what the engine does then by itself.
ENV PATH=/opt/engine/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENGINE_STATE=/var/lib/engine \
    ENGINE_IMAGE=1
# By number: Kubernetes' runAsNonRoot looks at nothing else.
USER 10001:10001
WORKDIR /var/lib/engine
# State, library and the environments of models, which live under the home directory.
VOLUME /var/lib/engine
EXPOSE 8000
# A first answer takes a second or two; three failures in a row mean that it hangs.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "engine.image.health"]
ENTRYPOINT ["tini", "-s", "--", "engine"]
CMD ["serve"]
