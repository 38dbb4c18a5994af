#!/bin/sh
# Klinecast's one command: gets what the platform needs, then hands over to its Python half
# (operations/). POSIX sh; needs Python 3.11 or newer and the package registries.
set -eu

cd -- "$(dirname -- "$0")"

usage() {
    cat <<'HELP'
usage: sh setup.sh [--local | --docker] [--demo]   start everything (safe to repeat)
       sh setup.sh COMMAND

commands:
  status [--json]   what runs, and how fresh the data are
  logs [SERVICE]    the last log lines of a service, or of all
  doctor            whether this machine has what the platform needs
  down              stop everything; the data stay
  reset [--yes]     stop everything and remove the data
  test [-- ARGS]    get what the tests need and run them; ARGS go to pytest
  develop           only get the packages of development and tests into .venv
  help              this text

options:
  --docker   the compose stack: MySQL, Elasticsearch, Kibana and the services
  --local    one virtual environment and SQLite; no Docker needed
  --demo     recorded klines and a simulated exchange instead of Binance

Without --local or --docker: the compose stack where a Docker engine answers, else local.
Settings: copy .env.example to .env; docs/operations.md explains them.
HELP
}

fail() {
    printf 'error: %s\n' "$1" >&2
    printf 'hint: %s\n' "$2" >&2
    exit 1
}

find_python() {
    # The versions that are tried with every change first, then newer ones.
    for below in 14 99; do
        for candidate in python3 python3.13 python3.12 python3.11; do
            # Asked by running it: a name on the PATH may be a shim of a version that is not there.
            if found=$("$candidate" -c "import sys
if not (3, 11) <= sys.version_info[:2] < (3, $below): sys.exit(1)
print(sys.executable)" 2>/dev/null); then
                printf '%s\n' "$found"
                return
            fi
        done
    done
    fail "no Python 3.11 or newer was found (tried python3, python3.13, python3.12, python3.11)" \
        "Install one, for example: apt-get install python3 python3-venv, or brew install python"
}

find_uv() {
    if command -v uv 2>/dev/null; then
        return
    fi
    if [ ! -x .klinecast/tools/bin/uv ]; then
        echo "Getting uv, the package installer, into .klinecast/tools" >&2
        "$1" -m venv .klinecast/tools >&2 ||
            fail "$1 could not make a virtual environment in .klinecast/tools" \
                "Install its venv module, for example: apt-get install python3-venv"
        .klinecast/tools/bin/python -m pip install --quiet --disable-pip-version-check \
            'uv>=0.9' >&2 ||
            fail "uv could not be installed from the package registry" \
                "Check the network, or pip's settings for a proxy or a certificate"
    fi
    printf '%s\n' "$PWD/.klinecast/tools/bin/uv"
}

# Says which build of xgboost is wanted: gpu, or anything else for cpu. A variable of the shell
# wins over .env, as it does in the services.
wanted_device() {
    if [ -n "${MODELS_DEVICE:-}" ]; then
        printf '%s\n' "$MODELS_DEVICE"
    elif [ -f .env ]; then
        sed -n "s/^ *\\(export  *\\)\\{0,1\\}MODELS_DEVICE *= *[\"']\\{0,1\\}\\([a-z]*\\).*/\\2/p" .env |
            tail -n 1
    fi
}

# Takes the other build of xgboost out of .venv: both own the same files.
remove_xgboost() {
    # macOS has one build only.
    [ "$(uname)" != Darwin ] || return 0
    for found in .venv/lib/python*/site-packages/"$2"-[0-9]*.dist-info; do
        if [ -d "$found" ]; then
            "$1" pip uninstall --quiet --python .venv xgboost xgboost-cpu ||
                fail "xgboost could not be removed from .venv" "Remove the folder .venv, then run it again"
        fi
    done
}

# Brings .venv to what uv.lock says; options choose the groups.
sync_environment() {
    python=$(find_python)
    uv=$(find_uv "$python")
    # Without a home directory uv has nowhere to cache.
    if [ -z "${HOME:-}" ]; then
        UV_CACHE_DIR=$PWD/.klinecast/cache
        export UV_CACHE_DIR
    fi
    if [ ! -x .venv/bin/klinecast-operate ]; then
        echo "Installing the packages of uv.lock into .venv" >&2
    fi
    # --inexact: a later start must not take away what the tests installed.
    # Tests install each member alone, by the same uv.
    export UV="$uv"
    if [ "$(wanted_device)" = gpu ]; then
        remove_xgboost "$uv" xgboost_cpu
        set -- "$@" --extra gpu --no-group cpu
    else
        remove_xgboost "$uv" xgboost
    fi
    UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv "$uv" sync --quiet --frozen --inexact \
        --all-packages --python "$python" "$@" ||
        fail "the packages could not be installed" "The lines above tell why; then run it again"
}

umask 022
case "${1:-}" in
    help | -h | --help)
        usage
        exit 0
        ;;
    test) sync_environment --group dev ;;
    develop)
        sync_environment --group dev
        exit 0
        ;;
    up) sync_environment --no-dev ;;
    '' | -*)
        sync_environment --no-dev
        set -- up "$@"
        ;;
    *) [ -x .venv/bin/klinecast-operate ] || sync_environment --no-dev ;;
esac
exec .venv/bin/klinecast-operate "$@"
