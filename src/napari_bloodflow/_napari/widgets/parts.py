"""Small parts that dock widgets are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QEvent, QObject, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent, QResizeEvent

__all__ = [
    "ALERT_COLOR",
    "ControlsArea",
    "Fold",
    "Notice",
    "NoticeKind",
    "Section",
    "alert_text_color",
    "push_button",
    "text_label",
]

NoticeKind = Literal["alert", "error", "done"]

ALERT_COLOR = "#E08A00"
"""Amber that shows on napari's dark and on its light background."""

_NOTICE_COLORS: dict[NoticeKind, str] = {
    "alert": ALERT_COLOR,
    "error": "#D9363E",
    "done": "#2E9E5B",
}
_ALERT_TEXT_COLORS = ("#8F4E00", "#F2A63B")  # on a light background, on a dark one
_TINT_ALPHA = 46
_BAR_WIDTH = 4


def alert_text_color(text_color: QColor) -> QColor:
    """Return the amber for small text where text usually has a given colour."""
    is_dark_theme = text_color.lightness() > 127
    return QColor(_ALERT_TEXT_COLORS[is_dark_theme])


def text_label(name: str, parent: QWidget | None = None, *, wraps: bool = False) -> QLabel:
    """Return a label for plain text that is known to tests and helpers by a name.

    Parameters
    ----------
    name : str
        Its object name.
    parent : QWidget, optional
        Its parent.
    wraps : bool
        Whether long text goes on in the next line.
    """
    label = QLabel(parent)
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(wraps)
    return label


class Section(QWidget):
    """A part of a dock: a heading, with room for a control at its right, and contents.

    Parameters
    ----------
    title : str
        The heading.
    name : str
        Object name.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, title: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._heading = QLabel(self)
        self._heading.setObjectName(f"{name}_heading")
        self.set_title(title)
        self.heading_row = QHBoxLayout()
        self.heading_row.setContentsMargins(0, 0, 0, 0)
        self.heading_row.addWidget(self._heading)
        self.heading_row.addStretch(1)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(4)
        self.body.addLayout(self.heading_row)

    def set_title(self, title: str) -> None:
        """Change the heading."""
        self._heading.setText(f"<b>{title}</b>")


class Notice(QFrame):
    """A sentence that must be seen, on a tinted ground with a bar in the colour of its kind.

    Parameters
    ----------
    name : str
        Object name; its text is the child ``<name>_text``.
    kind : {"alert", "error", "done"}
        What it is about.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(
        self, name: str, kind: NoticeKind = "alert", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._color = QColor(_NOTICE_COLORS[kind])
        self._text = text_label(f"{name}_text", self, wraps=True)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(_BAR_WIDTH + 6, 4, 6, 4)
        self._row.addWidget(self._text, 1)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.hide()

    @property
    def text(self) -> str:
        """The sentence; empty while there is nothing to say."""
        return self._text.text()

    def say(self, text: str, kind: NoticeKind | None = None) -> None:
        """Show a sentence, or hide if it is empty."""
        if kind is not None and self._color != QColor(_NOTICE_COLORS[kind]):
            self._color = QColor(_NOTICE_COLORS[kind])
            self.update()
        if text != self._text.text():
            self._text.setText(text)
        self.setVisible(bool(text))

    def add_button(self, button: QPushButton) -> None:
        """Put a button at the right of the sentence."""
        self._row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the ground, which leaves the text in the colour of the theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        tint = QColor(self._color)
        tint.setAlpha(_TINT_ALPHA)
        area = QRectF(self.rect())
        painter.setBrush(tint)
        painter.drawRoundedRect(area, 3, 3)
        painter.setBrush(self._color)
        painter.drawRoundedRect(QRectF(area.left(), area.top(), _BAR_WIDTH, area.height()), 2, 2)
        painter.end()


class ControlsArea(QScrollArea):
    """Controls that scroll where there is no room for them, or demand it.

    Parameters
    ----------
    controls : QWidget
        What is shown.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, controls: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controls = controls
        self._is_scrolling = False
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(controls)
        controls.installEventFilter(self)
        self.set_scrolling(False)

    def set_scrolling(self, is_scrolling: bool) -> None:
        """Scroll, or be as high as the controls are."""
        self._is_scrolling = is_scrolling
        policies = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policies.ScrollBarAsNeeded if is_scrolling else policies.ScrollBarAlwaysOff
        )
        vertical = QSizePolicy.Policy.Expanding if is_scrolling else QSizePolicy.Policy.Fixed
        self.setSizePolicy(QSizePolicy.Policy.Expanding, vertical)
        self.updateGeometry()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the height of the controls."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        """Return the size of the controls."""
        layout = self._controls.layout()
        size = self._controls.sizeHint()
        if layout is not None and layout.hasHeightForWidth():
            size.setHeight(layout.totalHeightForWidth(max(1, self.viewport_width)))
        return size

    @property
    def viewport_width(self) -> int:
        """Width that the controls have."""
        viewport = self.viewport()
        return viewport.width() if viewport is not None else self.width()

    def minimumSizeHint(self) -> QSize:
        """Return the size of the controls, or a small one if they scroll."""
        return QSize(360, 80) if self._is_scrolling else self.sizeHint()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for another height where lines break elsewhere."""
        super().resizeEvent(event)
        self.updateGeometry()


class Fold(QWidget):
    """A heading that opens and closes what is below it.

    Parameters
    ----------
    name : str
        Object name; the heading is the child ``<name>_toggle``.
    parent : QWidget, optional
        Its parent.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.toggle = QToolButton(self)
        self.toggle.setObjectName(f"{name}_toggle")
        self.toggle.setCheckable(True)
        self.toggle.setAutoRaise(True)
        self.toggle.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.toggle.setArrowType(Qt.ArrowType.RightArrow)
        self.toggle.setIconSize(QSize(10, 10))
        self.content = QWidget(self)
        self.body = QVBoxLayout(self.content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.toggle)
        layout.addWidget(self.content)
        self.content.hide()
        self.toggle.toggled.connect(self._on_toggled)

    def set_title(self, title: str) -> None:
        """Change the heading."""
        self.toggle.setText(title)

    def _on_toggled(self, is_open: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.toggle.setArrowType(arrow)
        self.content.setVisible(is_open)


def push_button(text: str, name: str, tip: str, slot: Any, parent: QWidget) -> QPushButton:
    """Return a button.

    Parameters
    ----------
    text : str
        What it says.
    name : str
        Object name.
    tip : str
        Tool tip: what pressing it does.
    slot : bound method
        What to call, without arguments.
    parent : QWidget
        Its parent.
    """
    button = QPushButton(text, parent)
    button.setObjectName(name)
    button.setToolTip(tip)
    button.clicked.connect(slot)
    return button
