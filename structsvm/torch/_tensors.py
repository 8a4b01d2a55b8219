"""Checks of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = [
    "COMPUTED_AS",
    "check_devices",
    "check_floating",
    "check_reduction",
    "check_shape",
    "outside_graphs",
    "reduced",
]

#: The numbers of computations on the CPU, by the numbers that come in.
COMPUTED_AS = {
    torch.float64: torch.float64,
    torch.float32: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float16: torch.float32,
}


def check_floating(name: str, value: Any, n_dims: int | tuple[int, ...]) -> torch.Tensor:
    """A tensor of floating point numbers with so many dimensions."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} is {type(value).__name__}, expected a tensor")
    if value.dtype not in COMPUTED_AS:
        raise TypeError(
            f"{name} has dtype {value.dtype}, expected scores: float32, float64, bfloat16 or "
            "float16"
        )
    expected = (n_dims,) if isinstance(n_dims, int) else n_dims
    if value.ndim not in expected:
        raise ValueError(
            f"{name} has {value.ndim} dimensions, expected {' or '.join(map(str, expected))}"
        )
    return value


def check_shape(name: str, value: torch.Tensor, shape: tuple[int, ...], why: str) -> None:
    if tuple(value.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {shape}{why}")


def check_devices(name: str, value: torch.Tensor, other_name: str, other: torch.Tensor) -> None:
    if value.device != other.device:
        raise ValueError(
            f"{name} is on {value.device}, but {other_name} on {other.device}: move one to the "
            "device of the other"
        )


def check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction={reduction!r}: expected 'mean', 'sum' or 'none'")


def reduced(values: torch.Tensor, reduction: str) -> torch.Tensor:
    """The losses of examples, their sum or their mean, which is 0 where there are none."""
    if reduction == "mean" and len(values):
        return values.mean()
    return values if reduction == "none" else values.sum()


def outside_graphs(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function that `torch.compile` must not look into: the graph breaks here."""
    if torch.compiler.is_compiling():
        function = torch.compiler.disable(function)
    return function(*args)
