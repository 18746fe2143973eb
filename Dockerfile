# The kit without torch: verifies models before they are served, replays golden bundles, load-tests.
# The base by digest, and the index of an air-gapped network, are build arguments:
#   docker build --build-arg PYTHON_IMAGE=docker.io/library/python:3.12-slim-bookworm@sha256:... -t tritonkit .
ARG PYTHON_IMAGE=docker.io/library/python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
WORKDIR /src
# What the kit needs, in a layer that a change of the kit itself leaves alone.
COPY pyproject.toml README.md ./
RUN python -m venv /opt/tritonkit/venv \
    && /opt/tritonkit/venv/bin/pip install --no-cache-dir --no-compile '.[bench,signing]'
# For an init container that builds TensorRT engines: tensorrt==VERSION, the version that the serving image has.
ARG TENSORRT=""
RUN [ -z "${TENSORRT}" ] || /opt/tritonkit/venv/bin/pip install --no-cache-dir --no-compile "${TENSORRT}" cuda-bindings
COPY tritonkit tritonkit
COPY builder builder
COPY clients clients
COPY benchmarks benchmarks
RUN /opt/tritonkit/venv/bin/pip install --no-cache-dir --no-compile --no-deps --force-reinstall .

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/tritonkit/venv /opt/tritonkit/venv
COPY benchmarks/locustfile.py /opt/tritonkit/benchmarks/locustfile.py
ENV PATH=/opt/tritonkit/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, so that a cluster can see that it is not root.
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["tritonkit"]
CMD ["--help"]
