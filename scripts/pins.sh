#!/usr/bin/env bash
# Writes requirements/*.txt anew from pyproject.toml: `make pins`, or `make pins UPGRADE=1` for newer versions too.
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
uv=$(bash scripts/bootstrap.sh --print-uv)

# Nothing of this machine may get into the pins: no index or wheel folder that its user has set up.
# The index address itself is left out too, so that whoever installs uses the index that they have set up.
clean=(env)
while IFS= read -r name; do
  clean+=(-u "$name")
done < <(env | sed -nE 's/^(UV_[A-Z_]*INDEX[A-Z_]*|UV_FIND_LINKS|UV_CONSTRAINT|UV_OVERRIDE)=.*/\1/p')

compile() {
  local out=$1
  shift
  "${clean[@]}" UV_CUSTOM_COMPILE_COMMAND="make pins" "$uv" pip compile \
    --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links ${UPGRADE:+--upgrade} \
    --output-file "requirements/$out" "$@"
  echo "wrote requirements/$out: $(grep -c '^[a-z0-9].*==' "requirements/$out") pins"
}

compile base.txt pyproject.toml
compile dev.txt pyproject.toml --extra all --group dev
compile uv.txt --group pyproject.toml:bootstrap
compile pyside.txt --group pyproject.toml:pyside
