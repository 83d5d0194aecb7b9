"""The line protocol; see ../README.md."""

import re
from typing import BinaryIO, Dict, List, NamedTuple, Optional, Union

Value = Union[int, str]


class ProtocolError(Exception):
    """The request made no sense: a mistake in the test."""


class Request(NamedTuple):
    tag: str
    thread: str
    verb: str
    words: Dict[str, str]
    bodies: List[bytes]

    def get(self, key: str) -> Optional[str]:
        return self.words.get(key)

    def need(self, key: str) -> str:
        try:
            return self.words[key]
        except KeyError:
            raise ProtocolError(f"{self.verb} needs {key}") from None

    def number(self, key: str) -> int:
        return int(self.need(key))

    def body(self) -> bytes:
        if len(self.bodies) != 1:
            raise ProtocolError(f"{self.verb} needs one body")
        return self.bodies[0]

    def wait(self) -> Optional[float]:
        """As the module wants it."""
        word = self.words.get("wait", "forever")
        return {"forever": None, "try": 0}[word] if word.isalpha() else float(word)


class Answer:
    """What a driver says to a request that was done."""

    def __init__(self, body: Optional[bytes] = None, **words: Union[int, str, None]) -> None:
        self.body = body
        self.words = {key: value for key, value in words.items() if value is not None}
        self.items: Optional[List["Answer"]] = None

    def encode(self, head: str) -> bytes:
        parts = [head]
        parts += [f"{key}={escape(value)}" for key, value in self.words.items()]
        if self.items is not None:
            parts.append(f"items={len(self.items)}")
        if self.body is not None:
            parts.append(f"body={len(self.body)}")
        items = [item.encode("-") for item in self.items or []]
        return b"".join([" ".join(parts).encode(), b"\n", self.body or b"", *items])


def of_items(items: List[Answer]) -> Answer:
    answer = Answer()
    answer.items = items
    return answer


def escape(value: Value) -> str:
    data = str(int(value) if isinstance(value, bool) else value).encode("utf-8", "surrogateescape")
    return "".join(chr(b) if 33 <= b <= 126 and b != 37 else f"%{b:02x}" for b in data)


def unescape(word: str) -> str:
    raw = re.sub(rb"%([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), word.encode())
    return raw.decode("utf-8", "surrogateescape")


def read(stream: BinaryIO) -> Optional[Request]:
    line = stream.readline()
    if not line:
        return None
    tag, thread, verb, *parts = line.decode("ascii").rstrip("\n").split(" ")
    request = Request(tag, thread, verb, {}, [])
    for part in parts:
        key, _, value = part.partition("=")
        if key == "body":
            lengths = [int(length) for length in value.split(",") if length]
            request.bodies.extend(stream.read(length) for length in lengths)
        else:
            request.words[key] = unescape(value)
    return request
