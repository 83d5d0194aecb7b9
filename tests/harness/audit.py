"""Every message that was reported sent, against every delivery."""

import struct
from collections import Counter, defaultdict
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Tuple

SENT = struct.Struct("<QQ")
RECEIVED = struct.Struct("<QQQII")
# Redeliveries are counted up to here.
MOST_COUNTED = 255

DAMAGED, TAKEN, GIVEN_BACK = range(3)

Message = Tuple[int, int]


class Delivery(NamedTuple):
    sender: int
    seq: int
    id: int
    redeliveries: int
    state: int


class Audit:
    """What the logs of senders and receivers say."""

    def __init__(self, sent: Iterable[str], received: Iterable[str]) -> None:
        self.sent: List[Message] = []
        for path in sent:
            self.sent += SENT.iter_unpack(_whole(path, SENT))
        self.receivers: Dict[str, List[Delivery]] = {
            path: [Delivery(*record) for record in RECEIVED.iter_unpack(_whole(path, RECEIVED))]
            for path in received
        }
        self.deliveries: Dict[Message, List[Delivery]] = defaultdict(list)
        for log in self.receivers.values():
            for delivery in log:
                self.deliveries[delivery.sender, delivery.seq].append(delivery)

    @property
    def lost(self) -> List[Message]:
        """Reported sent, and never received."""
        return [m for m in self.sent if all(d.state != TAKEN for d in self.deliveries.get(m, ()))]

    @property
    def damaged(self) -> List[Delivery]:
        """Not as they were sent."""
        return [d for log in self.receivers.values() for d in log if d.state == DAMAGED]

    @property
    def duplicated(self) -> List[List[Delivery]]:
        """Delivered more than once without its being told: each delivery of a message must have a
        higher count of redeliveries than those before."""
        twice = []
        for deliveries in self.deliveries.values():
            counts = Counter(d.redeliveries for d in deliveries)
            counts.pop(MOST_COUNTED, None)
            if any(n > 1 for n in counts.values()):
                twice.append(deliveries)
        return twice

    @property
    def mistaken(self) -> List[List[Delivery]]:
        """One message under two ids, or two messages under one."""
        wrong = [ds for ds in self.deliveries.values() if len({d.id for d in ds}) > 1]
        by_id: Dict[int, List[Delivery]] = defaultdict(list)
        for deliveries in self.deliveries.values():
            by_id[deliveries[0].id].append(deliveries[0])
        return wrong + [ds for ds in by_id.values() if len(ds) > 1]

    @property
    def disordered(self) -> List[Tuple[str, Delivery]]:
        """Of one sender to one receiver, out of order though never given back."""
        wrong = []
        for path, log in self.receivers.items():
            last: Dict[int, int] = {}
            for delivery in log:
                if delivery.redeliveries == 0:
                    if delivery.seq <= last.get(delivery.sender, -1):
                        wrong.append((path, delivery))
                    last[delivery.sender] = delivery.seq
        return wrong

    @property
    def unreported(self) -> List[Message]:
        """Received, though no log says that they were sent: their sender died in between."""
        return sorted(set(self.deliveries) - set(self.sent))

    @property
    def redelivered(self) -> int:
        return sum(d.redeliveries > 0 for log in self.receivers.values() for d in log)

    def check(self) -> None:
        for name in ("lost", "damaged", "duplicated", "mistaken"):
            found = getattr(self, name)
            assert not found, f"{len(found)} {name}, such as {found[:5]}; {self}"
        assert len(self.sent) == len(set(self.sent)), "a log is wrong"

    def __str__(self) -> str:
        return (
            f"{len(self.sent)} sent, {sum(map(len, self.receivers.values()))} deliveries, "
            f"{self.redelivered} of them again, {len(self.unreported)} sent but not reported, "
            f"{len(self.lost)} lost, {len(self.duplicated)} duplicated, {len(self.damaged)} damaged"
        )


def _whole(path: str, record: struct.Struct) -> bytes:
    """A log, without a record that was cut short by the death of its writer."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return b""
    return data[: len(data) // record.size * record.size]
