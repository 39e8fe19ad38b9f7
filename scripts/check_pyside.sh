#!/usr/bin/env bash
# Runs the tests of the window with PySide6 instead of PyQt6, in an environment of their own with otherwise the same pins.
# Arguments go to pytest.
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
uv=$(bash scripts/bootstrap.sh --print-uv)

# A pin and its hashes are the lines from one name to the next.
awk '/^[a-z0-9]/ { is_other = /^pyqt6/ } !is_other' requirements/dev.txt >"$pins"
[ -x .venv-pyside/bin/python ] || "$uv" venv --quiet --python .venv/bin/python .venv-pyside
python=.venv-pyside/bin/python
"$uv" pip sync --quiet --python $python --require-hashes "$pins" requirements/pyside.txt
"$uv" pip install --quiet --python $python --no-deps --no-build-isolation --editable .

PYTEST_QT_API=pyside6 $python -m pytest -o qt_api=pyside6 -m gui "$@"
