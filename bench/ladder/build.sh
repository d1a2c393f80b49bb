#!/usr/bin/env bash
# Builds the ladder's C rungs: build.sh [FOLDER]; they go to bin/ beside this file otherwise.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here/bin}"
cc="${CC:-gcc}"
if ! command -v "$cc" > /dev/null; then
    echo "build.sh: $cc is not installed; the ladder's C rungs need a C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev)" >&2
    exit 3
fi
mkdir -p "$out"
flags=(-std=gnu17 -O2 -march=native -Wall -Wextra -Werror -Wno-unused-function)
"$cc" "${flags[@]}" -o "$out/echo" "$here/echo.c"
"$cc" "${flags[@]}" -o "$out/relay" "$here/relay.c" "$here/sha256.c"
