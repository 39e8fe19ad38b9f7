#!/usr/bin/env bash
# Proves that the library and the command line work without napari and Qt: builds the wheel, installs it with the core
# pins alone, imports every module outside _napari and runs the command line.
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

dist=$(mktemp -d)
trap 'rm -rf "$dist"' EXIT
uv=$(bash scripts/bootstrap.sh --print-uv)

rm -rf .venv-core
"$uv" venv --quiet --python .venv/bin/python .venv-core
.venv/bin/python -m build --wheel --no-isolation --outdir "$dist" >"$dist/log" 2>&1 || {
  cat "$dist/log"
  exit 1
}
"$uv" pip install --quiet --python .venv-core/bin/python --require-hashes --requirement requirements/base.txt
"$uv" pip install --quiet --python .venv-core/bin/python --no-deps "$dist"/*.whl

cd "$dist" # so that nothing is imported from the source folder
"$root/.venv-core/bin/python" - <<'PY'
import importlib
import pkgutil
import sys

import napari_bloodflow

names = [
    module.name
    for module in pkgutil.walk_packages(napari_bloodflow.__path__, "napari_bloodflow.", onerror=print)
    if "._napari" not in module.name and not module.name.endswith("__main__")
]
for name in names:
    importlib.import_module(name)
gui = {"napari", "qtpy", "PyQt6", "PySide6", "vispy", "pyqtgraph", "magicgui", "superqt"}
found = sorted(gui & set(sys.modules))
if found:
    raise SystemExit(f"imported by the core: {', '.join(found)}")
print(f"{len(names)} modules import without napari and Qt")
PY
"$root/.venv-core/bin/napari-bloodflow" --help >/dev/null
echo "napari-bloodflow --help runs without napari and Qt"
