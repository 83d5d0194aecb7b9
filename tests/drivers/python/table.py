"""What the driver has open, by the names that the test gave."""

from typing import Dict, Optional, TypeVar, Union

import mailboat
from wire import ProtocolError

Handle = Union[mailboat.Port, mailboat.Queue]
T = TypeVar("T")

handles: Dict[str, Handle] = {}
loans: Dict[str, mailboat.Loan] = {}
receipts: Dict[str, mailboat.Message] = {}
segments: Dict[str, mailboat.Segment] = {}


class State:
    # Where ports and segments are made and opened; None: the default domain.
    domain: Optional[mailboat.Domain] = None
    # Whether storms are to end.
    stop = False


def find(table: Dict[str, T], name: str) -> T:
    try:
        return table[name]
    except KeyError:
        raise ProtocolError(f"there is no {name}") from None


def take_out(table: Dict[str, T], name: str) -> T:
    thing = find(table, name)
    del table[name]
    return thing


def clear() -> None:
    for table in (loans, receipts, handles, segments):
        table.clear()
    State.domain = None
    State.stop = False
