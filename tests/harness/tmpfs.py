"""Small tmpfs file systems to run full, in a mount namespace of our own."""

import ctypes
import os
import tempfile
from contextlib import contextmanager
from typing import Iterator, Optional

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_NOSUID, MS_NODEV = 2, 4
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
# Why nothing can be mounted; None if something can.
refusal: Optional[str] = "the tests were not started in a namespace of their own"


def _must(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter() -> None:
    """Gives this process, and those it starts from now on, a mount namespace of its own: as root, or
    in a user namespace, where the system permits those. Needs a process with one thread."""
    global refusal
    uid, gid = os.getuid(), os.getgid()
    try:
        if os.geteuid() == 0:
            _must(_libc.unshare(CLONE_NEWNS), "unshare")
        else:
            _must(_libc.unshare(CLONE_NEWNS | CLONE_NEWUSER), "unshare")
            # Everybody stays who he is.
            for file, line in (
                ("setgroups", "deny"),
                ("uid_map", f"{uid} {uid} 1"),
                ("gid_map", f"{gid} {gid} 1"),
            ):
                with open(f"/proc/self/{file}", "w") as stream:
                    stream.write(line)
        private = _libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        _must(private, "keeping mounts to ourselves")
        with mounted(1 << 20):
            refusal = None
    except OSError as error:
        refusal = f"no tmpfs can be mounted here: {error}"


@contextmanager
def mounted(size: int) -> Iterator[str]:
    """A tmpfs of so many bytes, at the path given."""
    path = tempfile.mkdtemp(prefix="mailboat-tmpfs-")
    options = f"size={size},mode=0700".encode()
    try:
        result = _libc.mount(b"tmpfs", path.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options)
        _must(result, "mount")
        try:
            yield path
        finally:
            # Detached: a driver that was just killed may still have it.
            _libc.umount2(path.encode(), MNT_DETACH)
    finally:
        os.rmdir(path)
