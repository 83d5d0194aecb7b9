"""The exceptions: one class for each kind of error, under :class:`Error`."""

import enum
import errno
import queue
from typing import ClassVar, Dict, Optional, Type


class ErrorKind(enum.IntEnum):
    """What can go wrong. The numbers are those of the C interface."""

    FULL = 1
    EMPTY = 2
    TIMEOUT = 3
    CLOSED = 4
    PEER_DIED = 5
    NOT_PERMITTED = 6
    TOO_LARGE = 7
    NO_SPACE = 8
    CORRUPT = 9
    VERSION = 10
    NOT_FOUND = 11
    ALREADY_EXISTS = 12
    BAD_NAME = 13
    INVALID = 14
    WRONG_TYPE = 15
    BAD_DOMAIN = 16
    TOO_MANY = 17
    LEASE_LOST = 18
    FORKED = 19
    INTERRUPTED = 20
    SYSTEM = 21
    INTERNAL = 22


class Error(Exception):
    """The base of all exceptions of mailboat. Its text has the names and figures.

    ``kind`` is an :class:`ErrorKind`, ``code`` the same as a plain number.
    """

    kind: ClassVar[ErrorKind]
    code: ClassVar[int]


class Full(Error, queue.Full):
    """The port can take no more just now; receivers must make room.

    ``limit`` says which limit was reached (``"capacity"``, ``"buffers"`` or ``"byte_budget"``),
    ``used`` and ``max`` how much of it is in use.
    """

    kind = ErrorKind.FULL
    limit: str
    used: int
    max: int


class Empty(Error, queue.Empty):
    """There is no message just now."""

    kind = ErrorKind.EMPTY


class Timeout(Error, TimeoutError):
    """The time ran out before it could be done. Nothing was changed.

    ``after`` is how long was waited, in seconds, ``because`` the error that stood in the way
    (:class:`Full` or :class:`Empty`).
    """

    kind = ErrorKind.TIMEOUT
    after: float
    because: Error


class Closed(Error, BrokenPipeError):
    """The port was deleted, or its owner has gone."""

    kind = ErrorKind.CLOSED


class PeerDied(Error, ConnectionResetError):
    """The process on the other side died."""

    kind = ErrorKind.PEER_DIED


class NotPermitted(Error, PermissionError):
    """The permissions, the owner or the way it was opened do not allow this."""

    kind = ErrorKind.NOT_PERMITTED


class TooLarge(Error, ValueError):
    """The message, or the buffer asked for, is larger than a limit allows.

    ``size`` is its size and ``max`` the largest allowed, in bytes.
    """

    kind = ErrorKind.TOO_LARGE
    size: int
    max: int


class NoSpace(Error, OSError):
    """The tmpfs behind the domain has not enough free memory (``errno`` is ``ENOSPC``).

    ``needed`` and ``available`` are in bytes, ``place`` is where the tmpfs is mounted.
    """

    kind = ErrorKind.NO_SPACE
    needed: int
    available: int
    place: str


class Corrupt(Error):
    """The shared memory contains what no well-behaved process would have written.

    ``found`` and ``expected`` describe it, where there is more to say than the text does.
    """

    kind = ErrorKind.CORRUPT
    found: str
    expected: str


class Version(Error):
    """The object was made by another version of the shared-memory layout.

    ``found`` is its version, ``expected`` that of this library.
    """

    kind = ErrorKind.VERSION
    found: int
    expected: int


class NotFound(Error, FileNotFoundError):
    """There is no object of this name."""

    kind = ErrorKind.NOT_FOUND


class AlreadyExists(Error, FileExistsError):
    """There is an object of this name already."""

    kind = ErrorKind.ALREADY_EXISTS


class BadName(Error, ValueError):
    """The name breaks the rules: 1 to 200 bytes of ``[A-Za-z0-9._-]``, the first alphanumeric."""

    kind = ErrorKind.BAD_NAME


class Invalid(Error, ValueError):
    """An argument is out of its range, or an object in the wrong state (closed, acknowledged)."""

    kind = ErrorKind.INVALID


class WrongType(Error):
    """Something else stands where the object should be: a symlink, a directory, another kind."""

    kind = ErrorKind.WRONG_TYPE


class BadDomain(Error):
    """The place cannot hold a domain: it is not a directory, not on tmpfs, or not writable."""

    kind = ErrorKind.BAD_DOMAIN


class TooMany(Error):
    """A table of limited size has no free place: tasks of a domain, users of a port."""

    kind = ErrorKind.TOO_MANY


class LeaseLost(Error):
    """This process was taken for dead while it was alive, because other code closed the descriptor
    that holds its lease. What it had in hand was given back."""

    kind = ErrorKind.LEASE_LOST


class Forked(Error):
    """The loan or taken message belongs to the parent of this forked process."""

    kind = ErrorKind.FORKED


class Interrupted(Error, InterruptedError):
    """A signal came while waiting. Waiting calls go on waiting, so this is not seen normally."""

    kind = ErrorKind.INTERRUPTED


class System(Error, OSError):
    """The operating system refused; ``errno`` says why."""

    kind = ErrorKind.SYSTEM


class Internal(Error, RuntimeError):
    """A defect in mailboat itself."""

    kind = ErrorKind.INTERNAL


# What an OSError has as errno, where the operating system itself did not give one.
_ERRNO: Dict[ErrorKind, int] = {
    ErrorKind.TIMEOUT: errno.ETIMEDOUT,
    ErrorKind.CLOSED: errno.EPIPE,
    ErrorKind.PEER_DIED: errno.ECONNRESET,
    ErrorKind.NOT_PERMITTED: errno.EACCES,
    ErrorKind.NO_SPACE: errno.ENOSPC,
    ErrorKind.NOT_FOUND: errno.ENOENT,
    ErrorKind.ALREADY_EXISTS: errno.EEXIST,
    ErrorKind.INTERRUPTED: errno.EINTR,
    ErrorKind.SYSTEM: errno.EIO,
}

_CLASSES: Dict[int, Type[Error]] = {}
for _class in Error.__subclasses__():
    _class.__module__ = "mailboat"
    _class.code = int(_class.kind)
    _CLASSES[_class.code] = _class
Error.__module__ = ErrorKind.__module__ = "mailboat"


def make(code: int, text: str, number: Optional[int], details: Dict[str, object]) -> Error:
    """The exception for an error of the core."""
    cls = _CLASSES[code]
    # Those with a number are OSErrors, whose arguments are number and text.
    usual = _ERRNO.get(cls.kind)
    if usual is None:
        error = cls(text)
    else:
        error = cls(usual if number is None else number, text)
    error.__dict__.update(details)
    return error
