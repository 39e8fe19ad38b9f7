"""How kernels are compiled; importing this imports numba, which takes half a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "compiled_exactly"]

_F = TypeVar("_F", bound="Callable[..., Any]")
_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


def compiled(function: _F) -> _F:
    """Compile; a product and a sum may be rounded once instead of twice."""
    return cast("_F", numba.njit(**_OPTIONS, fastmath={"contract"})(function))


def compiled_exactly(function: _F) -> _F:
    """Compile so that every number is rounded as numpy rounds it."""
    return cast("_F", numba.njit(**_OPTIONS)(function))
