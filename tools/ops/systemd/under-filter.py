#!/usr/bin/env python3
"""Runs a program under the system call filter of gateway.service, without systemd: under-filter.py UNIT PROGRAM [ARGUMENT...]

Reads the unit's SystemCallFilter lines, asks systemd-analyze what their sets hold, loads the filter with libseccomp and becomes the program. What is
not allowed fails with EPERM, as in the unit. Shows that a node runs under the filter; the rest of the sandbox is systemd's to set up.
"""
import ctypes
import os
import subprocess
import sys

EPERM = 1
ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # seccomp.h: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO


def calls_of(name, seen):
    """The system calls of a set, and of those in it; a call is itself."""
    if not name.startswith("@"):
        return {name}
    if name in seen:
        return set()
    seen.add(name)
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True, env={**os.environ, "SYSTEMD_COLORS": "0"}).stdout
    members = [line.strip() for line in listed.splitlines() if line.startswith("    ") and not line.strip().startswith("#")]
    return set().union(*(calls_of(m, seen) for m in members))


def allowed(unit):
    """As systemd.exec(5) has it: the first line says what is allowed, those with '~' take away."""
    calls = set()
    for line in open(unit, encoding="utf-8"):
        key, _, value = line.strip().partition("=")
        if key != "SystemCallFilter":
            continue
        takes = value.startswith("~")
        for name in value.lstrip("~").split():
            calls = calls - calls_of(name, set()) if takes else calls | calls_of(name, set())
    # systemd always leaves these: without them nothing could be started.
    return calls | calls_of("@default", set()) | {"execve"}


def load(calls):
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ERRNO | EPERM))
    for name in sorted(calls):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        # Calls of other architectures have no number here, or a negative one.
        if number >= 0 and seccomp.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), ctypes.c_int(number), ctypes.c_uint(0)) != 0:
            sys.exit(f"under-filter.py: {name} cannot be allowed")
    failed = seccomp.seccomp_load(context)
    if failed:
        sys.exit(f"under-filter.py: the kernel does not take the filter: {os.strerror(-failed)}")


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: under-filter.py UNIT PROGRAM [ARGUMENT...]")
    calls = allowed(sys.argv[1])
    if len(calls) < 100:
        sys.exit(f"under-filter.py: {sys.argv[1]} allows {len(calls)} system calls only")
    load(calls)
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
