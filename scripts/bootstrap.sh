#!/usr/bin/env bash
# Makes .venv as pinned in requirements/dev.txt, with this package in it. Does nothing when it is up to date.
#
#   scripts/bootstrap.sh              the environment, and the system libraries that a napari window needs
#   scripts/bootstrap.sh --print-uv   only find or install uv, and say where it is
#
# It needs Python 3.11 to 3.14 with pip, on Linux or macOS (so no newer bash than 3.2). PYTHON names another interpreter.
# As root, or with sudo that asks no password, on Debian and Ubuntu it installs missing system packages with apt-get.
# It writes to .venv and .uv only.
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export UV_PYTHON_DOWNLOADS=never
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" # as pip in Debian does, so that an institute's own proxy is trusted

# What a napari window needs beyond PyPI: "what to look for : Debian package". Sonames, because package names differ.
WINDOW_LIBS="libfontconfig.so.1:libfontconfig1 libGL.so.1:libgl1 libEGL.so.1:libegl1 libglib-2.0.so.0:libglib2.0-0
  libdbus-1.so.3:libdbus-1-3 libxkbcommon-x11.so.0:libxkbcommon-x11-0 libxcb-cursor.so.0:libxcb-cursor0
  libxcb-icccm.so.4:libxcb-icccm4 libxcb-keysyms.so.1:libxcb-keysyms1 libxcb-shape.so.0:libxcb-shape0"
# What a virtual display needs, where there is no real one.
DISPLAY_TOOLS="Xvfb:xvfb xvfb-run:xvfb xauth:xauth"

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# ---- system packages -------------------------------------------------------------------------------------------------

# apt_install PACKAGE... : false where it cannot be done without asking
apt_install() {
  command -v apt-get >/dev/null || return 1
  local run="env"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
    run="sudo -n env"
  fi
  say "installing with apt-get: $*"
  local apt="$run DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0"
  local log
  log=$(mktemp)
  # A repository of the user's that does not answer must not stop us. $apt is meant to split.
  # shellcheck disable=SC2086
  if { $apt update || true; } >"$log" 2>&1 </dev/null &&
    $apt install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

# missing_for_windows : the missing things, one "thing:package" each
missing_for_windows() {
  # shellcheck disable=SC2086
  "$python" - $WINDOW_LIBS <<'PY'
import ctypes, sys

for pair in sys.argv[1:]:
    try:
        ctypes.CDLL(pair.split(":")[0])
    except OSError:
        print(pair)
PY
  [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || return 0
  local pair
  for pair in $DISPLAY_TOOLS; do
    command -v "${pair%%:*}" >/dev/null || echo "$pair"
  done
}

system_libraries() {
  [ "$(uname -s)" = Linux ] || return 0
  local missing
  missing=$(missing_for_windows)
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2046
  if apt_install $(printf '%s\n' "$missing" | sed 's/.*://' | sort -u); then
    missing=$(missing_for_windows)
    [ -n "$missing" ] || return 0
  fi
  say "still missing, and not to be installed from here: $(printf '%s\n' "$missing" | sed 's/:.*//' | tr '\n' ' ')"
  say "in Debian and Ubuntu: sudo apt-get install $(printf '%s\n' "$missing" | sed 's/.*://' | sort -u | tr '\n' ' ')"
  say "going on: the library and the command line do not need them, a napari window and its tests do"
}

# ---- python and uv ---------------------------------------------------------------------------------------------------

# good_python COMMAND : prints its full path if it is a Python that the pins are for
good_python() {
  command -v "$1" >/dev/null || return 1
  "$1" - 2>/dev/null <<'PY'
import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    raise SystemExit(1)
print(sys.executable)
PY
}

find_python() {
  local name
  if [ -n "${PYTHON:-}" ]; then
    good_python "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 to 3.14"
    return
  fi
  for name in python3 python3.13 python3.12 python3.11 python3.14 python; do
    good_python "$name" && return
  done
  # pyenv, Homebrew and uv keep theirs where only uv looks
  if command -v uv >/dev/null; then
    uv python find --no-project '>=3.11,<3.15' 2>/dev/null && return
  fi
  die "no Python 3.11 to 3.14 was found. Install one (python.org, Homebrew, apt, or: uv python install 3.13)" \
    "or name it: PYTHON=/path/to/python3.12 make ..."
}

find_uv() {
  if command -v uv >/dev/null; then
    command -v uv
    return
  fi
  local own="$PWD/.uv"
  if ! [ -x "$own/bin/uv" ]; then
    say "installing uv into .uv"
    mkdir -p "$own"
    echo '*' >"$own/.gitignore"
    # Debian's Python refuses pip outside a venv, but not into a folder of its own; and it may have no venv.
    local pip=("$python" -m pip)
    if ! "${pip[@]}" --version >/dev/null 2>&1; then
      if "$python" -m venv "$own/venv" >/dev/null 2>&1; then
        pip=("$own/venv/bin/python" -m pip)
      elif ! apt_install python3-pip || ! "${pip[@]}" --version >/dev/null 2>&1; then
        die "$python has neither pip nor venv, which are needed to install uv. Install one of them, or uv"
      fi
    fi
    PIP_REQUIRE_VIRTUALENV=0 PIP_USER=0 PIP_ROOT_USER_ACTION=ignore "${pip[@]}" install --quiet \
      --disable-pip-version-check --no-deps --require-hashes --requirement requirements/uv.txt \
      --target "$own" </dev/null >&2
  fi
  echo "$own/bin/uv"
}

# ---- the environment -------------------------------------------------------------------------------------------------

stamp=.venv/.bootstrap-stamp

# All that the environment depends on; the folder too, since its scripts hold its path.
inputs() {
  echo "$PWD"
  cat pyproject.toml requirements/dev.txt scripts/bootstrap.sh
}

up_to_date() { [ -f "$stamp" ] && .venv/bin/python -c '' 2>/dev/null && inputs | cmp -s - "$stamp"; }

make_environment() {
  local uv
  uv=$(find_uv)
  if [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" != "$PWD" ]; then
    say ".venv was made in another folder"
    rm -rf .venv
  fi
  if good_python .venv/bin/python >/dev/null; then
    say "bringing .venv up to date"
    rm -f "$stamp"
  else
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$uv" venv --quiet --python "$python" .venv
  fi
  "$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt
  "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
  inputs >"$stamp"
}

if [ "${1:-}" = --print-uv ]; then
  python=$(find_python)
  find_uv
  exit
fi

if up_to_date; then
  python=$PWD/.venv/bin/python
  system_libraries
else
  python=$(find_python)
  system_libraries
  make_environment
fi
