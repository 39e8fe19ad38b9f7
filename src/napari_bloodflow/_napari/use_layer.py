"""Any image layer of a viewer as an acquisition of ours; the layer itself is not changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer  # noqa: TC002 - napari looks for it to know what to pass
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from napari_bloodflow._napari.layers import mark_of
from napari_bloodflow._napari.session import get_session
from napari_bloodflow.acquisition.acq_image import AcqImage
from napari_bloodflow.acquisition.array_image import ArrayAxes, ArrayPlane, place_beside
from napari_bloodflow.acquisition.paths import is_supported
from napari_bloodflow.errors import AxesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_bloodflow._napari.session import ShownAcquisition, ViewerSession

__all__ = [
    "LayerQuestion",
    "ask_about_active_layer",
    "find_used",
    "keep_using",
    "question_about",
    "refusal",
    "use_active_layer",
    "use_layer",
]


@dataclass(frozen=True, slots=True, eq=False)
class LayerQuestion:
    """What there is to be known of a layer before it can be measured.

    Parameters
    ----------
    layer : Image
        The layer.
    axes : ArrayAxes
        What it says of its axes.
    plane : ArrayPlane
        What to measure: as before, or a guess.
    path : pathlib.Path or None
        What sidecar files are called after; None if the layer comes from no local file.
    is_remembered : bool
        Whether it was measured before, so that nothing has to be asked.
    """

    layer: Image
    axes: ArrayAxes
    plane: ArrayPlane
    path: Path | None
    is_remembered: bool

    @property
    def file(self) -> Path | None:
        """The file that the layer was read from."""
        return _local_file(self.layer)

    @property
    def can_be_opened(self) -> bool:
        """Whether the file is of a kind that we read ourselves."""
        return self.file is not None and is_supported(self.file)


def refusal(layer: Layer | None) -> str:
    """Say why a layer cannot be measured, as a sentence; empty if it can be."""
    if layer is None:
        return "No layer is selected."
    if not isinstance(layer, Image):
        return f"{layer.name} is no image layer."
    if layer.rgb:
        return (
            f"{layer.name} is a colour (RGB) picture; a kymograph has one value per pixel. Split it"
            " into channels first."
        )
    data = _array_of(layer)
    if data.dtype.kind not in "uifb":
        return f"{layer.name} has pixels of type {data.dtype}, which are not plain numbers."
    try:
        _axes_of(layer).guess_plane()
    except AxesError:
        return f"{layer.name} has no two axes of several pixels; a kymograph has time and position."
    return ""


def question_about(layer: Image, session: ViewerSession) -> LayerQuestion:
    """Return what is known of a layer, with a proposal for what is not.

    Parameters
    ----------
    layer : Image
        A layer that `refusal` has nothing against.
    session : ViewerSession
        Of its viewer.
    """
    axes = _axes_of(layer)
    file = _local_file(layer)
    if file is not None:
        found = place_beside(file, _array_of(layer), _taken(session))
        if found.plane is not None:
            return LayerQuestion(layer, axes, found.plane, found.path, is_remembered=True)
        file = found.path
    places = session.viewer.dims.current_step[-layer.ndim :]
    plane = axes.guess_plane(places if len(places) == layer.ndim else ())
    return LayerQuestion(layer, axes, plane, file, is_remembered=False)


def use_layer(
    layer: Layer,
    viewer: ViewerModel | None = None,
    *,
    time_axis: int | None = None,
    position_axis: int | None = None,
    index: Sequence[int] | None = None,
    dt_s: float | None = None,
    dx_um: float | None = None,
) -> ShownAcquisition:
    """Make an acquisition of an image layer that any reader, or a program, has made.

    It is shown in layers of its own, with ROIs; the layer that was given is hidden and otherwise
    left alone. What is not given is as it was saved for these pixels, or else guessed from units,
    names and order of the axes of the layer. One that is in use already is shown again as it is.

    Parameters
    ----------
    layer : Image
        The layer.
    viewer : napari.Viewer, optional
        Its viewer; the current one by default.
    time_axis, position_axis : int, optional
        Axes of its array.
    index : sequence of int, optional
        Place along each of the other axes; by default where the sliders of the viewer are.
    dt_s, dx_um : float, optional
        Seconds per line and micrometres per pixel; by default the scale of the layer, where that
        has a unit of time and of length. Both are set by hand if one of them differs.

    Returns
    -------
    ShownAcquisition
        With ``acq``. ROIs and results are saved beside the file of the layer, as
        ``<file>.layer1.json``; without one they are in memory until ``acq.save_as``.

    Raises
    ------
    TypeError
        If it is no image layer.
    AxesError
        (a ValueError) if it is a colour picture or has no such plane.
    RuntimeError
        If there is no viewer.
    """
    session = _session_of(viewer)
    known = find_used(layer, session)
    if known is not None:
        return _show_again(known, layer, session)
    if not isinstance(layer, Image):
        raise TypeError(refusal(layer))
    if text := refusal(layer):
        raise AxesError(text)
    question = question_about(layer, session)
    plane, path = question.plane, question.path
    if (time_axis, position_axis, index) != (None, None, None):
        time = plane.time_axis if time_axis is None else time_axis
        position = plane.position_axis if position_axis is None else position_axis
        is_same = {time % layer.ndim, position % layer.ndim} == {
            plane.time_axis,
            plane.position_axis,
        }
        places = (plane.index if is_same else ()) if index is None else index
        plane = ArrayPlane.checked(question.axes.shape, time, position, places)
        if question.file is not None:
            path = place_beside(question.file, _array_of(layer), _taken(session), plane).path
    stated = question.axes.dt_s(plane.time_axis), question.axes.dx_um(plane.position_axis)
    acq = AcqImage.from_array(
        _array_of(layer),
        name=f"{layer.name} kymograph",
        time_axis=plane.time_axis,
        position_axis=plane.position_axis,
        index=plane.index,
        dt_s=stated[0],
        dx_um=stated[1],
        source="layer",
        path=path,
    )
    wanted = (stated[0] if dt_s is None else dt_s), (stated[1] if dx_um is None else dx_um)
    if wanted != stated and None not in wanted:
        acq.set_calibration(*wanted)  # type: ignore[arg-type]
    shown = session.show(acq)
    session.used_layers[layer] = acq.path
    return _show_again(shown, layer, session)


def find_used(layer: Layer, session: ViewerSession) -> ShownAcquisition | None:
    """Return the acquisition that was made of a layer, or that it shows, if it is open."""
    mark = mark_of(layer)
    path = mark.acq.path if mark is not None else session.used_layers.get(layer)
    return None if path is None else session.find(path)


def keep_using(session: ViewerSession, acq: AcqImage, saved: AcqImage) -> None:
    """Show the file that an image was saved as in its place; what else is looked at stays.

    Parameters
    ----------
    session : ViewerSession
        Of the viewer.
    acq : AcqImage
        What was saved; what is unsaved in it is forgotten, as all of it is in the file. If it was
        closed meanwhile, nothing is shown.
    saved : AcqImage
        The file.
    """
    for layer, path in list(session.used_layers.items()):
        if path == acq.path:
            session.used_layers[layer] = saved.path
    acq.load_sidecar_json()
    replaced, active = session.find(acq.path), session.active
    if replaced is None:
        return
    session.activate(replaced)
    session.show_instead(saved)
    if active is not None and active is not replaced:
        session.activate(active)


def use_active_layer(viewer: Viewer) -> None:
    """Ask how the active layer is to be measured, and make an acquisition of it.

    Parameters
    ----------
    viewer : napari.Viewer
        Where.
    """
    windows = (QApplication.activeWindow(), *QApplication.topLevelWidgets())
    parent = next((w for w in windows if isinstance(w, QMainWindow) and w.isVisible()), None)
    ask_about_active_layer(get_session(viewer), parent)


def ask_about_active_layer(session: ViewerSession, parent: QWidget | None) -> None:
    """Do the same above a window.

    Parameters
    ----------
    session : ViewerSession
        Of the viewer.
    parent : QWidget or None
        The window.
    """
    from napari_bloodflow._napari.widgets.layer_dialog import LayerDialog

    layer = session.viewer.layers.selection.active
    if layer is not None and find_used(layer, session) is not None:
        use_layer(layer, session.viewer)
        return
    if len(session.viewer.layers.selection) > 1:
        show_error("Several layers are selected. Each is measured on its own: select one.")
        return
    if text := refusal(layer):
        show_error(text)
        return
    assert isinstance(layer, Image)
    try:
        question = question_about(layer, session)
        if question.is_remembered:
            shown = use_layer(layer, session.viewer)
            show_info(f"{session.blinding.label_of(shown.acq)} is measured as it was before")
            return
        LayerDialog(question, session, parent).open()
    except (OSError, ValueError) as error:
        show_error(str(error))


def _show_again(shown: ShownAcquisition, layer: Layer, session: ViewerSession) -> ShownAcquisition:
    if not shown.layers:
        session.show_layers(shown)
    if mark_of(layer) is None:
        layer.visible = False
    session.activate(shown)
    session.viewer.layers.selection.active = shown.layers[-1]
    session.lay_out(shown)
    return shown


def _taken(session: ViewerSession) -> set[Path]:
    return {shown.acq.image_path for shown in session.shown}


def _session_of(viewer: ViewerModel | None) -> ViewerSession:
    if viewer is None:
        import napari

        viewer = napari.current_viewer()
    if viewer is None:
        raise RuntimeError("there is no viewer; say in which one the layer is")
    return get_session(viewer)


def _array_of(layer: Image) -> Any:
    """Return the pixels of a layer, at full resolution if it has several."""
    return layer.data[0] if layer.multiscale else layer.data


def _axes_of(layer: Image) -> ArrayAxes:
    return ArrayAxes(
        tuple(int(size) for size in _array_of(layer).shape),
        tuple(float(step) for step in layer.scale),
        tuple(str(unit) for unit in layer.units),
        tuple(str(label) for label in layer.axis_labels),
    )


def _local_file(layer: Layer) -> Path | None:
    """Return the file or folder that a layer was read from, if it is on this computer."""
    path = layer.source.path
    if not path:
        return None
    try:
        found = Path(path).expanduser().resolve()
        return found if found.exists() else None
    except (OSError, ValueError):
        return None
