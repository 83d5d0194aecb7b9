"""Inter-process communication through shared memory that survives any kill.

Processes open a *port* by name; some send, others receive. Messages travel through shared memory,
with no daemon, and outlive the processes that sent them::

    import mailboat

    with mailboat.Port.open_or_create("orders") as port:
        port.send(b"hello", timeout=1.0)

    with mailboat.Port.open("orders") as port:
        for message in port:                    # ends when the port is deleted
            print(message.body, message.kind, message.id)

A message is safe from the moment ``send()`` returns. With ``take()`` it stays yours until
acknowledged: if this process dies before, the next receiver gets it, flagged ``redelivered``. Large
messages need not be copied at all: :class:`Loan` is a message written in place, and a taken
:class:`Message` is read in place, both through the buffer protocol::

    with port.loan(frame.nbytes) as loan:       # sent at the end of the block
        numpy.copyto(numpy.frombuffer(loan, frame.dtype), frame)

    with port.take() as message:                # acknowledged at the end of the block
        frame = numpy.frombuffer(message, dtype="u1")

Every call that waits takes a ``timeout`` in seconds (``None``: for ever, 0: not at all), lets other
threads run meanwhile and obeys Ctrl-C. Every error is an :class:`Error`, and most of them also the
built-in exception that you would expect: ``TimeoutError``, ``FileNotFoundError``, ``queue.Empty``.

Words: a *domain* is the place where names live; a *task* is a process attached to a domain; a
*segment* is named shared memory; a *queue* is a buffer of messages in a segment; a *port* is a
queue with a name; a *loan* is a message being written; a *taken* message is one in a receiver's
hands.
"""

from mailboat._errors import (
    AlreadyExists,
    BadDomain,
    BadName,
    Closed,
    Corrupt,
    Empty,
    Error,
    ErrorKind,
    Forked,
    Full,
    Internal,
    Interrupted,
    Invalid,
    LeaseLost,
    NoSpace,
    NotFound,
    NotPermitted,
    PeerDied,
    System,
    Timeout,
    TooLarge,
    TooMany,
    Version,
    WrongType,
)
from mailboat._mailboat import (
    MAX_NAME,
    Domain,
    DomainStat,
    Entry,
    Header,
    Loan,
    Message,
    Port,
    PortStat,
    Queue,
    QueueStat,
    Segment,
    TaskInfo,
    __version__,
)

__all__ = [
    "MAX_NAME",
    "AlreadyExists",
    "BadDomain",
    "BadName",
    "Closed",
    "Corrupt",
    "Domain",
    "DomainStat",
    "Empty",
    "Entry",
    "Error",
    "ErrorKind",
    "Forked",
    "Full",
    "Header",
    "Internal",
    "Interrupted",
    "Invalid",
    "LeaseLost",
    "Loan",
    "Message",
    "NoSpace",
    "NotFound",
    "NotPermitted",
    "PeerDied",
    "Port",
    "PortStat",
    "Queue",
    "QueueStat",
    "Segment",
    "System",
    "TaskInfo",
    "Timeout",
    "TooLarge",
    "TooMany",
    "Version",
    "WrongType",
    "__version__",
]
