"""Show a file in the file manager of the desktop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qtpy.QtCore import QProcess, QUrl
from qtpy.QtGui import QDesktopServices

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["show_in_file_manager"]


def show_in_file_manager(path: Path) -> None:
    """Open the folder of a file; on Windows and macOS with the file selected.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """
    if sys.platform == "win32":
        QProcess.startDetached("explorer", ["/select,", str(path)])
    elif sys.platform == "darwin":
        QProcess.startDetached("open", ["-R", str(path)])
    else:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))
