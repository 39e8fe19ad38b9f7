"""The command line: ``demo | info | velocity | accuracy | flow | check | export-scitiff``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from typing import Self

    from napari_bloodflow.acquisition.acq_image import AcqImage
    from napari_bloodflow.acquisition.check import CheckedFile
    from napari_bloodflow.analysis.base import Analysis, AnalysisInputs, Progress

__all__ = ["main"]

WRONG_INPUT, FAILURE = 2, 1


class _Group(click.Group):
    """Turns errors meant for people into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        from napari_bloodflow.errors import BloodflowError, SaveError

        try:
            return super().invoke(ctx)
        except SaveError as error:
            _fail(str(error), FAILURE)
        except FileNotFoundError as error:
            _fail(f"{error.filename}: no such file" if error.filename else str(error), WRONG_INPUT)
        except BloodflowError as error:
            _fail(str(error), WRONG_INPUT)
        except OSError as error:
            _fail(str(error), FAILURE)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"napari-bloodflow: {message}", err=True)
    sys.exit(code)


def _lines_or_auto(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    return value if value in (None, "auto") else click.INT(value, param, ctx)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="napari-bloodflow")
def main() -> None:
    """Blood flow from line-scan kymographs (rows are time, columns are position).

    The image is never written. Results go into <file>.json and <file>.<analysis>.csv beside it,
    and only with --save; check --repair puts right what is wrong with them. export-scitiff writes
    all of it into a new file.
    """


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def info(file: Path) -> None:
    """Show size, calibration, ROIs, results and problems of FILE.

    Of a folder, or of a CSV table with a column _rel_path, show one line per image.
    """
    if file.is_dir() or file.suffix.lower() == ".csv":
        _echo_list(file)
        return
    acq = _open(file)
    images, plane = acq.images, acq.images.bounds
    click.echo(f"{acq.path}")
    sizes = " ".join(f"{axis}:{size}" for axis, size in images.sizes.items())
    click.echo(f"  image        {sizes} {images.dtype}, {plane.num_rows} lines")
    click.echo(f"  axes         {images.axes_in_words}")
    click.echo(f"  calibration  {acq.calibration}")
    for line in acq.calibration_report:
        click.echo(f"    {line}")
    click.echo(f"  accepted     {'yes' if acq.accepted else 'no'}")
    click.echo(f"  ROIs         {acq.rois.num_rois}")
    for roi in acq.rois:
        place = ", ".join(f"{k} {v}" for k, v in roi.to_dict()["data"].items())
        click.echo(f"    {roi.label:<12} {roi.roi_type}: {place}")
    click.echo(f"  analyses     {len(acq.analysis_set)}")
    for analysis in acq.analysis_set:
        click.echo(f"    {analysis.key}: {_result_line(analysis)}")
    _echo_problems(acq, err=False)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--roi",
    "roi_id",
    type=int,
    help="ROI id. Default: the first; the whole image if there is none.",
)
@click.option("--channel", type=int, default=0, show_default=True, help="Channel, from 0.")
@click.option(
    "--window",
    metavar="LINES|auto",
    callback=_lines_or_auto,
    help="Lines per window, a multiple of 4, or auto for a proposal. Default: as last time, or 64.",
)
@click.option(
    "--method",
    type=click.Choice(["normalized", "classic"]),
    help="Default: as last time, or normalized.",
)
@click.option(
    "--swap-axes/--file-axes",
    default=None,
    help="Time runs along the columns of the image, or along its rows. Kept with --save."
    " Default: as last time, or the rows.",
)
@click.option("--save", is_flag=True, help="Keep the result beside the image.")
@click.option(
    "--strict-tables/--own-columns",
    default=None,
    help="With --save, now and later: tables with CloudScope's columns only, or with ours as well."
    " Default: as last time.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print only the table, whole, as CSV.")
def velocity(
    file: Path,
    roi_id: int | None,
    channel: int,
    window: Any,
    method: str | None,
    swap_axes: bool | None,
    save: bool,
    strict_tables: bool | None,
    as_csv: bool,
) -> None:
    """Measure the velocity in FILE and print it."""
    if strict_tables is not None and not save:
        raise click.UsageError("--strict-tables and --own-columns are for --save")
    acq = _open(file)
    if swap_axes is not None:
        acq.axes_swapped = swap_axes
    if window == "auto":
        window = _suggested_window(_calibrated(acq, roi_id, channel))
    analysis = _measure(acq, roi_id, channel, {"window_width": window, "method": method})
    if as_csv:
        assert analysis.result.table is not None
        analysis.result.table.to_csv(sys.stdout, index=False)
    else:
        _echo_problems(acq, err=True)
        click.echo(f"{acq.name}: {acq.calibration}")
        _echo_result(analysis)
    if save:
        acq.save(strict_tables=strict_tables)
        if not as_csv:
            click.echo(f"saved {', '.join(path.name for path in acq.get_sidecar_paths())}")
            if acq.columns_left_out:
                click.echo(f"left out of the tables: {', '.join(acq.columns_left_out)}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--velocity-roi", type=int, required=True, help="ROI with a stored velocity.")
@click.option("--diameter-roi", type=int, required=True, help="ROI with a stored diameter.")
@click.option("--channel", type=int, default=0, show_default=True, help="Channel, from 0.")
@click.option(
    "--profile",
    type=click.Choice(["parabolic", "blunted", "plug"]),
    default="parabolic",
    show_default=True,
    help="What the velocity is taken to be like across the vessel.",
)
def flow(file: Path, velocity_roi: int, diameter_roi: int, channel: int, profile: str) -> None:
    """Print the volume flow in FILE as CSV, from velocity and diameter measured before."""
    from napari_bloodflow.analysis.flow import volume_flow
    from napari_bloodflow.errors import AnalysisError

    acq = _open(file)
    _echo_problems(acq, err=True)
    keys = ("radon_velocity", channel, velocity_roi), ("diameter", channel, diameter_roi)
    found = [acq.analysis_set.get(key) for key in keys]
    for key, analysis in zip(keys, found, strict=True):
        if analysis is None:
            raise AnalysisError(f"{acq.name}: ROI {key[2]} has no {key[0]} on channel {channel}")
    velocity, diameter = found
    assert velocity is not None
    assert diameter is not None
    volume_flow(velocity, diameter, profile=profile).to_csv(sys.stdout, index=False)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--roi", "roi_id", type=int, help="ROI id. Default: as for velocity.")
@click.option(
    "--window",
    metavar="LINES|auto",
    callback=_lines_or_auto,
    default="64",
    show_default=True,
    help="As for velocity.",
)
@click.option(
    "--snr", type=float, default=1.0, show_default=True, help="Contrast of the cells over noise."
)
def accuracy(file: Path, roi_id: int | None, window: Any, snr: float) -> None:
    """Simulate flow with the calibration and width of FILE, and print how well it is measured."""
    from napari_bloodflow.analysis.accuracy_atlas import accuracy_atlas

    inputs = _calibrated(_open(file), roi_id, 0)
    dx_um, dt_s = inputs.calibration.dx_um, inputs.calibration.dt_s
    lines = _suggested_window(inputs) if window == "auto" else window
    try:
        atlas = accuracy_atlas(dx_um, dt_s, inputs.image.shape[1], lines, snr)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(atlas.sentence())
    click.echo(atlas.table.to_string(index=False, float_format=lambda v: f"{v:.3g}"))


@main.command()
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--repair", is_flag=True, help="Put right what can be; replaced files are copied.")
@click.option(
    "--repair-velocity",
    is_flag=True,
    help="Write the speed in place of its reciprocal; the old values are kept.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(paths: tuple[Path, ...], repair: bool, repair_velocity: bool, as_json: bool) -> None:
    """Look for problems of images and the files beside them, in folders too.

    Nothing is written without --repair or --repair-velocity. The exit code is 1 if problems remain.
    """
    from napari_bloodflow.acquisition.check import check_paths

    files: list[CheckedFile] = []
    with _Counter() as counter:
        for file in check_paths(paths, repair=repair, repair_velocity=repair_velocity):
            files.append(file)
            counter.show(len(files), file.path)
            if not as_json and (file.problems or file.done):
                counter.hide()
                _echo_checked(file)
    bad = sum(bool(file.problems) for file in files)
    if as_json:
        click.echo(json.dumps(_checked_document(files, bad), indent=2))
    else:
        click.echo(f"{len(files)} file{'s' * (len(files) != 1)}, {bad} with problems")
    if bad:
        sys.exit(FAILURE)


@main.command("export-scitiff")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace an earlier export; never any other image.")
def export_scitiff(file: Path, out: Path, overwrite: bool) -> None:
    """Write FILE with calibration, ROIs and results as the SciTiff file OUT."""
    acq = _open(file)
    _echo_problems(acq, err=True)
    for loss in acq.export_scitiff(out, overwrite=overwrite):
        click.echo(f"  not written  {loss}", err=True)
    click.echo(f"wrote {click.format_filename(out)}")


@main.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the sample and its results. Default: a new temporary folder.",
)
def demo(out: Path | None) -> None:
    """Run the main job on a synthetic sample: open, ROI, velocity, save, figure."""
    import tempfile

    from napari_bloodflow import synthetic
    from napari_bloodflow.acquisition.acq_image import AcqImage

    folder = out or Path(tempfile.mkdtemp(prefix="napari-bloodflow-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    sample = synthetic.pulsatile_flow()
    path = folder / f"{sample.name}.tif"
    if not path.exists():
        synthetic.write_tiff(sample, path)
    acq = AcqImage(path)
    click.echo(f"{acq.path}: {acq.calibration}")
    analysis = _measure(acq, None, 0, {"window_width": 32})
    _echo_result(analysis)
    truth = sample.velocity_um_per_s
    assert truth is not None
    click.echo(f"true mean velocity of the sample: {truth.mean():.4g} µm/s")
    acq.save()
    click.echo(f"saved {', '.join(path.name for path in acq.get_sidecar_paths())}")
    try:
        from napari_bloodflow.export.figures import line_at, plot_velocity, save_figure

        ax = plot_velocity(analysis)
    except ImportError:
        click.echo("no figure: it needs matplotlib, pip install 'napari-bloodflow[plot]'")
    else:
        line_at(ax, [i * sample.dt_s for i in range(len(truth))], truth, "truth")
        figure = folder / "velocity.png"
        save_figure(ax, figure)
        click.echo(f"figure {figure}")


def _open(file: Path) -> AcqImage:
    from napari_bloodflow.acquisition.acq_image import AcqImage

    return AcqImage(file)


def _calibrated(acq: AcqImage, roi_id: int | None, channel: int) -> AnalysisInputs:
    from napari_bloodflow.errors import AnalysisError

    inputs = acq.get_analysis_inputs(channel, _roi_id(acq, roi_id))
    if not inputs.calibration.is_known:
        raise AnalysisError(f"{acq.path}: seconds per line and µm per pixel are not known")
    return inputs


def _suggested_window(inputs: AnalysisInputs) -> int:
    from napari_bloodflow.analysis.velocity_window import suggest_window

    found = suggest_window(inputs.image, inputs.calibration.dt_s, inputs.calibration.dx_um)
    click.echo(f"window of {found.window_width} lines: {found.reason}", err=True)
    return found.window_width


def _roi_id(acq: AcqImage, roi_id: int | None) -> int:
    if roi_id is None:
        roi_id = acq.get_default_roi()
    if roi_id is None:
        roi_id = acq.rois.create().roi_id
        click.echo("no ROI yet: ROI 1 is the whole image", err=True)
    return roi_id


def _echo_list(source: Path) -> None:
    from napari_bloodflow.acquisition.acq_image_list import AcqImageList

    with _Counter() as counter:
        acqs = AcqImageList.load_safe(
            source, progress=lambda step: counter.show(step.done, Path(step.text))
        )
    if not acqs.files and not acqs.warnings:
        _fail(f"{source}: names no kymograph (.tif, .tiff, .czi or .nd2)", WRONG_INPUT)
    shown = {"name": "name", "parent": "folder", "dims": "size", "num_rois": "ROIs"}
    shown |= {"accept": "accepted", "num_stale": "stale", "num_problems": "problems"}
    table = acqs.to_table()
    good = table[table["warning"] == ""][list(shown)].rename(columns=shown)
    if len(good):
        click.echo(good.to_string(index=False))
    for warning in acqs.warnings:
        click.echo(f"  problem      {warning}")
    bad = len(acqs.warnings)
    click.echo(f"{len(acqs)} file{'s' * (len(acqs) != 1)}, {bad} that cannot be used")


def _measure(acq: AcqImage, roi_id: int | None, channel: int, params: dict[str, Any]) -> Analysis:
    from napari_bloodflow.analysis.base import RunContext

    roi_id = _roi_id(acq, roi_id)
    given = {name: value for name, value in params.items() if value is not None}
    run = acq.analysis_set.prepare(("radon_velocity", channel, roi_id), given)
    with _ProgressBar() as bar:
        return acq.analysis_set.commit(run, RunContext(progress=bar.advance).drain(run.steps()))


class _ProgressBar:
    """A progress bar on standard error while a person is watching."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def advance(self, progress: Progress) -> None:
        """Show how far the run is."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("velocity", total=progress.total)
            self._bar.start()
        self._bar.update(self._task, completed=progress.done)

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.stop()


class _Counter:
    """How many files were looked at, on standard error while a person is watching."""

    def __init__(self) -> None:
        self._status: Any = None

    def __enter__(self) -> Self:
        return self

    def show(self, count: int, path: Path) -> None:
        """Show the number of files and the last one."""
        if not sys.stderr.isatty():
            return
        if self._status is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            # Standard output stays as it is: it may lead elsewhere.
            console = Console(stderr=True)
            self._status = Bar(console=console, transient=True, redirect_stdout=False)
            self._task = self._status.add_task("", total=None)
        from rich.markup import escape

        self._status.update(self._task, description=escape(f"{count} files, {path.name}"))
        self._status.start()

    def hide(self) -> None:
        """Make room for a line of output."""
        if self._status is not None:
            self._status.stop()

    def __exit__(self, *exc_info: object) -> None:
        self.hide()


def _echo_checked(file: CheckedFile) -> None:
    click.echo(click.format_filename(file.path))
    for done in file.done:
        click.echo(f"  done         {done}")
    for problem in file.problems:
        click.echo(f"  problem      {problem}")


def _checked_document(files: list[CheckedFile], bad: int) -> dict[str, Any]:
    entries = [
        {
            "path": str(file.path),
            "problems": [asdict(problem) for problem in file.problems],
            "done": list(file.done),
        }
        for file in files
    ]
    return {"num_files": len(files), "num_with_problems": bad, "files": entries}


def _echo_result(analysis: Analysis) -> None:
    table = analysis.result.table
    assert table is not None
    params = analysis.detection_params
    click.echo(f"{analysis.key}, {params['method']}, window {params['window_width']} lines")
    click.echo(_result_line(analysis))
    others = table.loc[table["status"] != "ok", "status"].value_counts()
    if len(others):
        counts = ", ".join(f"{count} {status}" for status, count in others.items())
        click.echo(f"without velocity: {counts}")
    shown = (
        table.head(8).loc[:, :"status"].to_string(index=False, float_format=lambda v: f"{v:.6g}")
    )
    click.echo(shown)
    if len(table) > 8:
        click.echo(f"... {len(table)} windows in all")


def _result_line(analysis: Analysis) -> str:
    from napari_bloodflow.calibration import pretty_unit

    if not analysis.has_results:
        return "not run"
    summary = analysis.result.summary
    if "velocity_mean" in summary:
        unit = pretty_unit(summary.get("velocity_unit", ""))
        mean, median = (_number(summary.get(f"velocity_{k}")) for k in ("mean", "median"))
        text = f"mean {mean} {unit}, median {median} {unit}, {summary.get('num_windows')} windows"
        valid = summary.get("num_valid_windows")
        if valid is not None and valid != summary.get("num_windows"):
            text += f", {valid} of them measured"
    elif "num_peaks" in summary:
        height = _number(summary.get("peak_amplitude_mean"))
        text = f"{summary['num_peaks']} peaks, mean amplitude {height}, {summary.get('status')}"
    else:
        text = "stored result"
    reasons = analysis.stale_reasons
    return f"{text} [stale: {'; '.join(reasons)}]" if reasons else text


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, (int, float)) else "none"


def _echo_problems(acq: AcqImage, *, err: bool) -> None:
    for problem in acq.problems:
        click.echo(f"  problem      {problem}", err=err)
