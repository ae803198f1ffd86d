#!/bin/sh
# Make a virtual environment that holds what a lock file names, and this checkout.
#
#   contrib/setup-venv.sh PYTHON FOLDER LOCK
#
# Every package comes in a pinned version with a known hash; the checkout itself is installed in place, with the build
# backend from the lock, so that nothing else is fetched.
set -eu

python=$1
folder=$2
lock=$3
here=$(dirname "$0")

say() { printf '%s\n' "$*" >&2; }

command -v "$python" >/dev/null 2>&1 || {
    say "make: no \"$python\" found; archiver needs Python 3.11 or later"
    say "hint: on Debian: apt-get install python3; another interpreter: make PYTHON=/path/to/python3.11"
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "make: \"$python\" is $("$python" --version 2>&1); archiver needs Python 3.11 or later"
    say "hint: name another interpreter: make PYTHON=python3.11"
    exit 1
}

# Debian ships venv without ensurepip unless python3-venv is installed, and says so only halfway through.
can_make_pip() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
has_pip() { "$python" -c "import pip, sys; sys.exit(int(pip.__version__.split('.')[0]) < 23)" 2>/dev/null; }

pip() {
    if [ -x "$folder/bin/pip" ]; then
        "$folder/bin/python" -m pip --disable-pip-version-check "$@"
    else
        "$python" -m pip --disable-pip-version-check --python "$folder/bin/python" "$@"
    fi
}

if ! "$folder/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || ! pip --version >/dev/null 2>&1; then
    can_make_pip || "$here/setup-debian.sh" venv
    if can_make_pip; then
        "$python" -m venv --clear "$folder"
    elif has_pip; then
        "$python" -m venv --clear --without-pip "$folder"
    else
        say "make: \"$python\" can make no virtual environment: it has neither ensurepip nor pip"
        say "hint: on Debian: sudo apt-get install python3-venv"
        exit 1
    fi
fi

say "installing what $lock names into $folder"
pip install --quiet --require-hashes -r "$lock"
pip install --quiet --no-deps --no-build-isolation --no-index --editable .
