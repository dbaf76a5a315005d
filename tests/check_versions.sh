#!/bin/sh
# Runs the tests in environments of their own: at the lowest versions that pyproject.toml names,
# and on Python 3.13. For maintainers, by "make check-versions"; needs the network and an hour.
set -eu
python=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

tests() { # environment
    OMP_NUM_THREADS=1 "$1/bin/python" -m pytest -n auto --maxprocesses 8 --dist loadgroup
}

"$python" -m venv "$folder/lowest"
"$folder/lowest/bin/pip" install --quiet uv
"$folder/lowest/bin/uv" pip install --quiet --python "$folder/lowest/bin/python" \
    --resolution lowest-direct --editable '.[simulation,server,feddat,notebook,dev]'
tests "$folder/lowest"

if newest=$(command -v python3.13); then
    "$newest" -m venv "$folder/newest"
    "$folder/newest/bin/pip" install --quiet --editable '.[simulation,server,feddat,notebook,dev]'
    tests "$folder/newest"
else
    echo "python3.13: not found, so nothing ran on it"
fi
