# The pipeline in a container, on a CPU or, with the NVIDIA container toolkit, on GPUs:
#   docker build --tag styleheat .
#   docker run --rm --gpus all --volume "$PWD/out:/home/user/styleheat/data/infer" styleheat
FROM python:3.12-slim-bookworm

# git and make run the pipeline; the libraries are OpenCV's. Debian removes old versions: a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgl1 libglib2.0-0 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 user

USER 1000
WORKDIR /home/user/styleheat

# The environment changes less often than the code.
COPY --chown=user Makefile pyproject.toml requirements.lock ./
RUN make setup

COPY --chown=user . .
CMD ["make", "repro"]
