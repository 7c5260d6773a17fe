# The program with its pages, for a machine without Python.
#   docker build -t lora-harness .                                                        CPU
#   docker build -t lora-harness:cuda --build-arg BASE=nvidia/cuda:13.0.1-runtime-ubuntu24.04 .
# compose.yaml serves the board and the rating page from it.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

# TORCH: what pip installs first; `torch --index-url …` with the index of torch's CPU builds saves gigabytes of CUDA.
ARG TORCH="torch"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 VENV=/opt/harness

# bubblewrap and prlimit (util-linux): programs that a model wrote run in a sandbox only.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap util-linux python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY data data
COPY harness harness
COPY judges judges
COPY tuning tuning
COPY leaderboard leaderboard

# The base image's own Python: 3.11 or newer in each.
# hadolint ignore=SC2086
RUN python=$(command -v python || command -v python3) \
    && "$python" -m venv "$VENV" \
    && "$VENV/bin/pip" install -c constraints.txt ${TORCH} \
    && "$VENV/bin/pip" install -c constraints.txt .

RUN useradd --create-home --shell /usr/sbin/nologin harness && mkdir /store && chown harness:harness /store
USER harness
WORKDIR /store
ENV PATH="${VENV}/bin:${PATH}" HARNESS_DB=/store/harness.duckdb
EXPOSE 8501 8765
ENTRYPOINT ["harness"]
CMD ["--help"]
