"""How the machine and the network are used: never DVC params, as none of it changes a result."""

from typing import Annotated, Literal

from pydantic import Field

from styleheat.params.types import Amount, Count, PathText, Positive, Section, Weight


class Runtime(Section):
    """How the machine is used. Never a DVC param: none of it changes a result."""

    workers: Count
    """Processes of the stages that work clip by clip."""
    backend: Literal["loky", "dask", "ray"]
    """Joblib's backend for them; dask and ray are the user's own clusters."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]
    """`auto` is the first GPU when there is one, else the CPU. `cuda:1` is that GPU alone."""
    processes: Literal["auto"] | Count
    """Processes of a training: `auto` is one for each GPU that `device` (`auto` or `cuda`) allows, else one. Losses and
    weights are the same for any number of them. Ignored under `torchrun`, which starts its own."""
    loader_workers: Literal["auto"] | Amount
    """Processes that read samples for each process of a training; `auto` is `workers` with a GPU, else none."""
    timeout_s: Positive
    """Seconds one clip may take before it is recorded as lost."""


class Youtube(Section):
    """How videos are fetched. Never a DVC param: none of it changes a result."""

    base_url: PathText
    """Address of YouTube, or of a mirror with the same paths."""
    cookies: PathText | None
    """A cookies.txt of a browser, for videos that ask for a log-in."""
    proxy: PathText | None
    """Address of a proxy (http://, socks5://), as yt-dlp takes it."""
    retries: Amount
    """Further attempts of a request that failed."""
    pause: Weight
    """Seconds between requests."""
    rate_limit: Count | None
    """Bytes a second, at most."""
    retry_lost: bool
    """Ask for videos again that are known to be lost for good."""
