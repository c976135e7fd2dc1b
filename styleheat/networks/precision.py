"""What stays in float32 when the networks around it run in bf16 or fp16: geometry and losses.

A position in bf16 has 8 bits: near 1 it moves in steps of 1/128 of half the image, 2 pixels at 512.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def float32(function: F) -> F:
    """Decorator: autocast is off within `function`, and its floating-point tensor arguments arrive as float32."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        device = next((value.device.type for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), "cpu")
        if device == "meta" or not torch.is_autocast_enabled(device):  # which knows no autocast
            return function(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            return function(*map(_cast, args), **{key: _cast(value) for key, value in kwargs.items()})

    return wrapped  # type: ignore[return-value]


def _cast(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
