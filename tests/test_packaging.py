"""What is shipped, and what is committed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

GUI_PACKAGES = {
    "magicgui",
    "napari",
    "npe2",
    "pyqt5",
    "pyqt6",
    "pyqtgraph",
    "pyside2",
    "pyside6",
    "qtpy",
    "superqt",
    "vispy",
}

# In two halves, so that this file does not name them.
REGISTRY_HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian.org",
    "anaconda" + ".org",
]


def package_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def pinned(path: Path) -> dict[str, list[str]]:
    """The requirements of a pin file, each with its lines of hashes."""
    pins: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"[a-z0-9]", line):
            pins[line] = []
        elif line.strip().startswith("--hash="):
            pins[list(pins)[-1]].append(line.strip())
    return pins


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def committed() -> list[Path]:
    done = subprocess.run(
        # A clone that belongs to another user is still ours to read.
        [
            "git",
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a git clone")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_wheel_holds_what_it_must(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert "napari_bloodflow/napari.yaml" in names
    assert "napari_bloodflow/py.typed" in names
    assert any(
        re.fullmatch(r"napari_bloodflow-[^/]+\.dist-info/licenses/LICENSE", n) for n in names
    )


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"napari_bloodflow"}
    assert not [name for name in wheel.namelist() if "test" in Path(name).parts[1:-1]]


def test_wheel_points_at_its_manifest(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (n for n in wheel.namelist() if n.endswith("/entry_points.txt"))
    text = wheel.read(entry_points).decode()
    assert "[napari.manifest]\nnapari-bloodflow = napari_bloodflow:napari.yaml" in text


def test_wheel_needs_no_gui_for_its_core(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    parsed = HeaderParser().parsestr(wheel.read(metadata).decode())
    needed = [r for r in parsed.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert needed
    assert not GUI_PACKAGES & {package_name(r) for r in needed}
    assert "Framework :: napari" in parsed.get_all("Classifier", [])


def test_plugin_without_a_binding() -> None:
    """Whoever installs the ``napari`` extra keeps the Qt binding they have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {package_name(r) for r in project["optional-dependencies"]["napari"]}
    assert not {"pyqt5", "pyqt6", "pyside2", "pyside6"} & wanted


@pytest.mark.skipif(sys.platform == "win32", reason="git on Windows may check out links as text")
def test_manifest_link() -> None:
    link = ROOT / "napari.yaml"
    assert link.is_symlink()
    assert os.readlink(link) == "src/napari_bloodflow/napari.yaml"
    assert link.is_file()


def test_no_registry_host_is_committed(committed: list[Path]) -> None:
    found = []
    for path in committed:
        data = path.read_bytes()
        if b"\0" in data:
            continue
        text = data.decode("utf-8", errors="replace").lower()
        found += [f"{path.relative_to(ROOT)}: {host}" for host in REGISTRY_HOSTS if host in text]
    assert not found


@pytest.mark.parametrize("name", ["base.txt", "dev.txt", "uv.txt"])
def test_pins_are_exact_and_hashed(name: str) -> None:
    path = ROOT / "requirements" / name
    pins = pinned(path)
    assert pins
    assert not [pin for pin in pins if not re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+ ", pin)]
    assert not [pin for pin, hashes in pins.items() if not hashes]
    options = [
        s for s in path.read_text(encoding="utf-8").splitlines() if re.match(r"--|.*(file:|@ )", s)
    ]
    assert not options


def test_core_pins_hold_no_gui() -> None:
    assert not GUI_PACKAGES & {package_name(p) for p in pinned(ROOT / "requirements" / "base.txt")}


@pytest.mark.parametrize("name", ["base.txt", "dev.txt"])
def test_pins_are_of_this_pyproject(name: str) -> None:
    """A dependency that was added or dropped without ``make pins`` shows here."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = list(document["project"]["dependencies"])
    if name == "dev.txt":
        for extra, requirements in document["project"]["optional-dependencies"].items():
            # What is said where these are missing is tested, so they are not installed.
            asked += requirements if extra not in {"codecs", "czi", "nd2"} else []
        for group in ("test", "lint", "dev"):
            asked += [r for r in document["dependency-groups"][group] if isinstance(r, str)]

    direct = set()
    pin = ""
    for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines():
        if re.match(r"[a-z0-9]", line):
            pin = package_name(line)
        elif "napari-bloodflow (pyproject.toml" in line:
            direct.add(pin)
    assert direct == {package_name(r) for r in asked} - {"napari-bloodflow"}
