"""Becomes another program: run by path as `python -I -S launch.py …`, it ties the program's life to its parent's, then execs it.

Linux only: the kernel sends the death signal when the parent dies, however it died, so that `kill -9` of the supervisor
leaves nothing behind. PostgreSQL refuses to run as root: `--unprivileged` changes to `nobody`, and keeps the one
capability (CAP_DAC_OVERRIDE, ambient) that lets it reach a checkout or data folder below a private home.
Nothing but the standard library: it runs before any environment is looked at.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def unprivileged_ids() -> tuple[int, int]:
    """The (uid, gid) that programs which refuse root run under: `nobody`, which every system has."""
    import pwd  # POSIX only, and needed by root only

    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def give_up_root() -> None:
    """Changes to `nobody`; keeps CAP_DAC_OVERRIDE where the system lets us, else plain file permissions decide."""
    uid, gid = unprivileged_ids()
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    keeps = linux and libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if keeps:
        mask = 1 << CAP_DAC_OVERRIDE
        data = (_CapData * 2)(_CapData(mask, mask, mask), _CapData(0, 0, 0))
        if libc.capset(ctypes.byref(_CapHeader(CAPABILITY_VERSION_3, 0)), ctypes.byref(data)) == 0:
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    """`PARENT_PID DEATH_SIGNAL [--unprivileged] -- PROGRAM ARGUMENT…`; never returns."""
    options, program = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    parent, death_signal = int(options[0]), int(options[1])
    if "--unprivileged" in options and os.geteuid() == 0:
        give_up_root()
    if sys.platform == "linux":  # after the change of user, which clears it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked to be told
            sys.exit(1)
    os.execv(program[0], program)  # becoming another program is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
