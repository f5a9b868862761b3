#!/bin/sh
# Publisher, from a bare machine: needs python3 (3.11 or later) with its venv module, and nothing else.
#
#   ./publisher.sh demo           the whole way on sample news
#   ./publisher.sh test [ARGS]    the tests (ARGS are pytest's; with none, all of them)
#   ./publisher.sh lint           style, types and the arrows between the modules
#   ./publisher.sh python [ARGS]  Python with all that the tests use
#   ./publisher.sh ARGS           any other word is the publisher command's own
#
# PUBLISHER_PYTHON names the Python to use, PUBLISHER_VENV the folder of the environment (default .venv).
# What this script itself says goes to standard error, because a command's standard output is its result.
set -eu
unset CDPATH

say() { printf '%s\n' "$*" >&2; }
fail() { say "publisher.sh: $*"; exit 2; }

# The checkout, also where this file was reached through a link.
this=$0
while [ -h "$this" ]; do
    target=$(readlink "$this")
    case $target in
        /*) this=$target ;;
        *) this=$(dirname "$this")/$target ;;
    esac
done
root=$(cd "$(dirname "$this")" && pwd -P)
venv=${PUBLISHER_VENV:-$root/.venv}
case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
lock=$venv.lock

# ---- Which Python

PROBE='
import sys
if sys.version_info < (3, 11):
    print("old"); sys.exit()
try:
    import ensurepip, venv
except ImportError:
    print("bare"); sys.exit()
try:
    import ctypes, sqlite3, ssl
except ImportError:
    print("part"); sys.exit()
print("good")
'
VERSION='import sys; print("%d.%d" % sys.version_info[:2])'

# Sets python to the first that serves. Else sets verdict, and found to the one that came nearest.
find_python() {
    python='' verdict=none found=''
    if [ -n "${PUBLISHER_PYTHON:-}" ]; then
        set -- "$PUBLISHER_PYTHON"
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11
        # Where a Mac has a better one, which a bare PATH does not name.
        [ "$(uname)" != Darwin ] || set -- "$@" /opt/homebrew/bin/python3 /usr/local/bin/python3
    fi
    for name; do
        answer=$(probe "$name") || continue
        case $answer in
            good) python=$name; return 0 ;;
            bare) verdict=bare; found=$name ;;
            part) [ "$verdict" = bare ] || { verdict=part; found=$name; } ;;
            old) [ "$verdict" != none ] || { verdict=old; found=$name; } ;;
        esac
    done
    return 1
}

probe() {
    at=$(command -v "$1" 2>/dev/null) || return 1
    # A Mac without its developer tools has a python3 that only opens a window which offers them.
    if [ "$at" = /usr/bin/python3 ] && [ "$(uname)" = Darwin ]; then
        xcode-select -p >/dev/null 2>&1 || return 1
    fi
    "$1" -c "$PROBE" 2>/dev/null
}

# The command that mends it: mend ABSENT|OLD|BARE
mend() {
    if command -v apt-get >/dev/null 2>&1; then
        case $1 in
            absent) echo 'sudo apt install python3 python3-venv' ;;
            old) echo 'sudo apt install python3.11 python3.11-venv' ;;
            bare) case ${found##*/} in
                python3.*) echo "sudo apt install ${found##*/}-venv" ;;
                *) echo 'sudo apt install python3-venv' ;;
            esac ;;
        esac
    elif command -v dnf >/dev/null 2>&1; then
        case $1 in
            absent) echo 'sudo dnf install python3' ;;
            old) echo 'sudo dnf install python3.11' ;;
            bare) echo 'sudo dnf install python3-libs' ;;
        esac
    elif command -v brew >/dev/null 2>&1; then
        echo 'brew install python'
    fi
}

explain() {
    case $verdict in
        none) what='Publisher needs Python 3.11 or later, and found none'; how=$(mend absent) ;;
        old) what="Publisher needs Python 3.11 or later, and found only $("$found" -c "$VERSION") ($(command -v "$found"))"; how=$(mend old) ;;
        bare) what="Publisher needs Python's venv module, which $found lacks"; how=$(mend bare) ;;
        part) what="$found was built without the modules ctypes, sqlite3 or ssl, which Publisher needs"; how=$(mend old) ;;
    esac
    if [ -n "${PUBLISHER_PYTHON:-}" ]; then
        fail "$what. PUBLISHER_PYTHON is set to $PUBLISHER_PYTHON: unset it, or name another."
    elif [ -n "$how" ]; then
        fail "$what. Install it with: $how"
    else
        fail "$what. Install it from https://www.python.org/downloads/ or with your system's packages."
    fi
}

# ---- The environment

version() { "$1" -I -S -c "$VERSION" 2>/dev/null; }

# What the stamp must say for a lock: its checksum, and the Python that it was installed for.
wanted() { printf '%s %s' "$(cksum <"$root/$1")" "$(version "$venv/bin/python")"; }

ready() {
    [ -x "$venv/bin/python" ] && [ ! -e "$venv/.unfinished" ] &&
        [ "$(cat "$venv/.installed-$1" 2>/dev/null)" = "$(wanted "$1")" ]
}

# One set-up at a time. The lock is a link that holds our number: it is made in one step, and tells whose it is.
take_lock() {
    waited=0
    mkdir -p "$(dirname "$venv")" 2>/dev/null || true
    until ln -s "$$" "$lock" 2>/dev/null; do
        holder=$(readlink "$lock" 2>/dev/null) || holder=''
        if [ -z "$holder" ]; then
            [ -w "$(dirname "$venv")" ] || fail "cannot write to $(dirname "$venv"). Name a folder of yours with PUBLISHER_VENV."
        elif ! kill -0 "$holder" 2>/dev/null && ! [ -d "/proc/$holder" ]; then
            # Killed in its set-up. Of two that find it so, one moves it away; the other may have moved a new one.
            mv "$lock" "$lock.$$" 2>/dev/null || continue
            [ "$(readlink "$lock.$$")" = "$holder" ] || ln -s "$(readlink "$lock.$$")" "$lock" 2>/dev/null || true
            rm -f "$lock.$$"
            continue
        fi
        [ "$waited" -ne 1 ] || say 'Another start is setting up, waiting for it …'
        [ "$waited" -lt 900 ] || fail "waited 15 minutes for process ${holder:-unknown}, which sets up. If it does not, remove $lock."
        waited=$((waited + 1))
        sleep 1
    done
    trap 'rm -f "$lock"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# Sets up for one lock file, unless somebody did while we waited.
set_up() {
    sound || find_python || explain
    take_lock
    if ! ready "$1"; then
        say 'Setting up (first run only, about a minute) …'
        sound || make_venv
        install "$1"
        say 'Set up.'
    fi
    rm -f "$lock"
    trap - EXIT INT TERM HUP
}

# Whether the environment can be built upon. Not after an interrupted installation: a package may be half
# there and be taken for whole. Nor after the system's Python has become another one under it.
sound() {
    [ ! -e "$venv/.unfinished" ] && has=$(version "$venv/bin/python") &&
        grep -q "^version.*= *$has\." "$venv/pyvenv.cfg" 2>/dev/null &&
        { [ -z "${PUBLISHER_PYTHON:-}" ] || [ "$has" = "$(version "$PUBLISHER_PYTHON")" ]; }
}

make_venv() {
    if [ -e "$venv/pyvenv.cfg" ] || [ -e "$venv/.unfinished" ]; then
        rm -rf "$venv"
    elif [ -e "$venv" ] && ! rmdir "$venv" 2>/dev/null; then
        fail "$venv is there and is not an environment of Python. Name another folder with PUBLISHER_VENV."
    fi
    mkdir -p "$venv" 2>/dev/null || fail "cannot write to $venv. Name a folder of yours with PUBLISHER_VENV."
    : >"$venv/.unfinished"
    say "  making an environment in $venv"
    # Without pip where nobody asks for it: it takes most of the time.
    if command -v uv >/dev/null 2>&1; then
        "$python" -m venv --without-pip "$venv" >&2
    else
        "$python" -m venv "$venv" >&2
    fi || fail "Python could not make an environment in $venv. What it says stands above."
}

install() {
    : >"$venv/.unfinished"
    rm -f "$venv"/.installed-*
    keep_to_the_environment
    uv=$(command -v uv 2>/dev/null) || uv=$(bring_uv) || uv=''
    say "  installing $(grep -c '^[a-zA-Z0-9].*==' "$root/$1") packages"
    with_uv "$1" || with_pip -r "$root/$1" || fail 'the packages could not be installed; why stands above.' \
        'Check the network, then run the same command again: it goes on by itself.'
    # The tests' lock holds the other one, pin for pin.
    [ "$1" = requirements.lock ] || wanted requirements.lock >"$venv/.installed-requirements.lock"
    wanted "$1" >"$venv/.installed-$1"
    rm -f "$venv/.unfinished"
}

with_uv() {
    [ -n "$uv" ] || return 1
    (cd "$root" && "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$1") >/dev/null 2>&1 && return 0
    say '  uv did not succeed; trying pip, which takes a little longer'
    return 1
}

# uv, pinned and hashed, since it installs in seconds; prints where it is.
bring_uv() {
    if [ ! -x "$venv/bin/uv" ]; then
        say '  bringing the installer'
        with_pip -r "$root/requirements-bootstrap.lock" 2>/dev/null || return 1
    fi
    "$venv/bin/uv" --version >/dev/null 2>&1 && printf '%s' "$venv/bin/uv"
}

with_pip() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null 2>&1 || return 1
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes "$@" >&2
}

keep_to_the_environment() {
    unset PIP_USER PIP_TARGET PIP_PREFIX PYTHONHOME
    # No cache where HOME cannot hold one: uv would fail, pip would complain.
    [ -n "${XDG_CACHE_HOME:-}" ] || { [ -d "${HOME:-/nowhere}" ] && [ -w "$HOME" ]; } ||
        export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
    # The machine's own certificates, as everything else here uses them: a network may have its own authority.
    for store in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        [ ! -e "$store" ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
    done
}

# ---- The words

word=${1:-}
case $word in
    test | python | lint) needs=requirements-test.lock ;;
    *) needs=requirements.lock ;;
esac
ready "$needs" || set_up "$needs"

export DJANGO_SETTINGS_MODULE="${DJANGO_SETTINGS_MODULE:-config.settings}"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"

case $word in
    test)
        shift
        cd "$root"
        # All of them on all cores; a few chosen ones start sooner in one process.
        [ $# -gt 0 ] || set -- --numprocesses auto
        exec "$venv/bin/python" -m pytest "$@"
        ;;
    python)
        shift
        exec "$venv/bin/python" "$@"
        ;;
    lint)
        cd "$root"
        "$venv/bin/python" -m ruff check .
        "$venv/bin/python" -m ruff format --check .
        "$venv/bin/python" -m mypy
        exec "$venv/bin/lint-imports"
        ;;
    *)
        # -P: `publisher` is this checkout's, whatever folder the command was typed in.
        exec "$venv/bin/python" -P -m publisher "$@"
        ;;
esac
