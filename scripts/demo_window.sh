#!/usr/bin/env bash
# Opens what `napari-bloodflow demo` wrote in napari. Without a display: the same window in a virtual one, as a picture.
#
#   scripts/demo_window.sh FOLDER
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$1

if [ "$(uname -s)" = Darwin ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  exec .venv/bin/python scripts/demo_viewer.py "$out"
fi

if ! command -v xvfb-run >/dev/null; then
  echo "There is no display and no xvfb-run, so the window is not shown; results and figure are in $out."
  exit 0
fi

# The picture is to be the same whatever the user's napari settings are.
settings=$(mktemp -d)
trap 'rm -rf "$settings"' EXIT
NAPARI_CONFIG="$settings/settings.yaml" QT_QPA_PLATFORM=xcb XDG_SESSION_TYPE=x11 \
  xvfb-run --auto-servernum --server-args "-screen 0 1400x900x24" \
  .venv/bin/python scripts/demo_viewer.py "$out" --screenshot "$out/viewer.png"
echo "There is no display: a picture of the napari window is in $out/viewer.png"
