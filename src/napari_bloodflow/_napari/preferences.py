"""What the user prefers, as kept by napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.settings import get_plugin_settings

if TYPE_CHECKING:
    from napari_bloodflow._napari.layers import TimeDirection

__all__ = ["default_time_direction", "plugin_settings"]


def default_time_direction() -> TimeDirection:
    """Return where time runs by the user's preferences."""
    chosen = getattr(plugin_settings("display"), "time_direction", "right")
    return "down" if chosen == "down" else "right"


def plugin_settings(section: str) -> Any:
    """Return a section of this plugin's preferences; None where napari keeps none."""
    try:
        return getattr(get_plugin_settings("napari-bloodflow"), section)
    except (AttributeError, KeyError, ValueError):
        return None
