"""Hashes that tell whether two fits are of the same data and the same model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import cloudpickle
import joblib

__all__ = ["fingerprint"]


def fingerprint(*parts: Any) -> str:
    """One hash of all parts, which differs if any of them does.

    Functions are told apart by what they do, not by their name: a lambda has none, and a name may
    be given to another function.

    Raises
    ------
    TypeError
        Naming the part that cannot be compared, such as an open file.
    """
    parts = _replaced(parts, _function_hash)
    try:
        return str(joblib.hash(parts))
    except Exception:  # whatever an object's own way of pickling raises
        return str(joblib.hash(_replaced(parts, _leaf_hash)))


def _replaced(part: Any, replace: Callable[[str, Any], Any], name: str = "a part") -> Any:
    """The leaves of nested dicts and tuples replaced; `name` is the nearest key."""
    if type(part) is dict:
        return {key: _replaced(value, replace, str(key)) for key, value in part.items()}
    if type(part) is tuple:
        return tuple(_replaced(value, replace, name) for value in part)
    return replace(name, part)


def _function_hash(name: str, part: Any) -> Any:
    return _code_hash(name, part) if callable(part) else part


def _leaf_hash(name: str, part: Any) -> Any:
    try:
        return joblib.hash(part)
    except Exception:
        return _code_hash(name, part)


def _code_hash(name: str, part: Any) -> str:
    try:
        return hashlib.sha256(cloudpickle.dumps(part)).hexdigest()
    except Exception as error:
        raise TypeError(
            f"{name} cannot be compared with that of another fit, as it cannot be pickled: {error}"
        ) from error
