"""Hide which file is which, so that whoever judges files does not know their condition."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_bloodflow.acquisition.acq_image import AcqImage

__all__ = ["HIDDEN", "Blinding"]

HIDDEN = "Blinded"
"""What is shown in place of metadata."""


class Blinding:
    """Gives files numbers that say nothing about their names.

    The numbers of a list are in an order that depends on the names but does not resemble theirs,
    so that the same files have the same numbers tomorrow.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted after it was switched on or off, or the numbers changed.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._is_on = False
        self._numbers: dict[str, int] = {}

    @property
    def is_on(self) -> bool:
        """Whether names and metadata are hidden."""
        return self._is_on

    @is_on.setter
    def is_on(self, value: bool) -> None:
        if value != self._is_on:
            self._is_on = value
            self.changed.emit()

    def number_files(self, paths: Iterable[Path]) -> None:
        """Give the files of a list their numbers; those of earlier files are forgotten."""
        shuffled = sorted(paths, key=_scrambled)
        self._numbers = {str(path): number for number, path in enumerate(shuffled, start=1)}
        if self._is_on:
            self.changed.emit()

    def number_of(self, path: str | Path) -> int:
        """Return the number of a file; one that is in no list gets the next."""
        return self._numbers.setdefault(str(path), len(self._numbers) + 1)

    def label(self, path: Path) -> str:
        """Return what a file is called on the screen: its name, or ``File 3``."""
        return f"File {self.number_of(path)}" if self._is_on else path.name

    def label_of(self, acq: AcqImage) -> str:
        """Return what an acquisition is called on the screen."""
        return self.label(acq.image_path)

    def clean(self, text: str, acq: AcqImage) -> str:
        """Return a text without path, name and folder of an acquisition if they are hidden."""
        if not self._is_on:
            return text
        path = acq.image_path
        label = self.label_of(acq)
        for secret, shown in (
            (str(path), label),
            (path.name, label),
            (str(path.parent), "its folder"),
        ):
            text = text.replace(secret, shown)
        # A short name may be part of a word.
        return re.sub(rf"\b{re.escape(path.stem)}\b", label, text)


def _scrambled(path: Path) -> bytes:
    # Without the folders above, which differ from one computer to the next.
    return hashlib.sha256("/".join(path.parts[-2:]).encode("utf-8", "surrogateescape")).digest()
