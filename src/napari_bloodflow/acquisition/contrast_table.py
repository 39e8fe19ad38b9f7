"""The display states of all channels of an image, chosen by the user or seeded from the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_bloodflow.acquisition.contrast import ImageContrast

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ContrastTable"]


class ContrastTable:
    """Display state by channel. A seeded one is written on save, but is no change to be saved."""

    def __init__(self) -> None:
        self._entries: dict[int, ImageContrast] = {}
        self._seeded: set[int] = set()
        self._clean: dict[int, ImageContrast] = {}

    def get(self, channel: int) -> ImageContrast | None:
        """Return a copy of the display state of a channel, or None."""
        entry = self._entries.get(channel)
        return None if entry is None else entry.copy()

    def set(self, channel: int, contrast: ImageContrast) -> bool:
        """Keep a copy of what the user chose; return whether that is a change."""
        if self._entries.get(channel) == contrast and channel not in self._seeded:
            return False
        self._entries[channel] = contrast.copy()
        self._seeded.discard(channel)
        return True

    def seed(self, channel: int, plane: NDArray[Any], **options: Any) -> ImageContrast:
        """Return the display state of a channel, choosing one from the pixels if it has none.

        Parameters
        ----------
        channel : int
            Channel, from 0.
        plane : ndarray, shape (time, position)
            Pixels to choose from.
        **options
            As :meth:`ImageContrast.from_plane` takes them.
        """
        if channel not in self._entries:
            self._entries[channel] = ImageContrast.from_plane(plane, **options)
            self._seeded.add(channel)
        return self._entries[channel].copy()

    @property
    def is_dirty(self) -> bool:
        """True if the user chose something since the last load or save."""
        return self._chosen() != self._clean

    def set_clean(self) -> None:
        """Take the present state as saved."""
        self._clean = self._chosen()

    def edits(self) -> dict[str, dict[str, Any]]:
        """Return the entries that the user chose since the last load or save."""
        chosen = self._chosen()
        return {
            str(channel): entry.to_dict()
            for channel, entry in sorted(chosen.items())
            if self._clean.get(channel) != entry
        }

    def _chosen(self) -> dict[int, ImageContrast]:
        return {c: entry.copy() for c, entry in self._entries.items() if c not in self._seeded}

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the entries as the sidecar stores them."""
        return {str(channel): entry.to_dict() for channel, entry in sorted(self._entries.items())}

    def load(self, entries: dict[str, Any], num_channels: int) -> list[tuple[str, str]]:
        """Replace everything by the entries of a sidecar.

        Parameters
        ----------
        entries : dict
            Entries by channel number, as text.
        num_channels : int
            Channels of the image.

        Returns
        -------
        list of tuple
            Key and reason of every entry that cannot be used.
        """
        self._entries, self._seeded = {}, set()
        refused = []
        for key, entry in entries.items():
            try:
                channel = int(key)
                if not 0 <= channel < num_channels:
                    raise ValueError("the image has no such channel")
                self._entries[channel] = ImageContrast.from_dict(entry)
            except ValueError as error:
                refused.append((key, str(error)))
        self.set_clean()
        return refused
