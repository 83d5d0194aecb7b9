"""The line protocol, from the test's side."""

import re
from typing import Dict, List, Optional, Tuple, Union

Value = Union[int, str]


class Answer:
    """What a driver answered: a status, words as attributes, a body, items."""

    def __init__(self, status: str, words: Dict[str, Value], body: Optional[bytes]) -> None:
        self.status = status
        self.words = words
        self.body = body
        self.items: List["Answer"] = []

    def __getattr__(self, name: str) -> Value:
        try:
            return self.words[name]
        except KeyError:
            raise AttributeError(f"the answer has no {name}: {self!r}") from None

    def __contains__(self, name: str) -> bool:
        return name in self.words

    def __getitem__(self, index: int) -> "Answer":
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        words = " ".join(f"{key}={value!r}" for key, value in self.words.items())
        body = "" if self.body is None else f" body={self.body[:40]!r} ({len(self.body)} bytes)"
        items = f" items={self.items!r}" if self.items else ""
        return f"<{self.status} {words}{body}{items}>"


def escape(value: object) -> str:
    data = value if isinstance(value, bytes) else str(value).encode()
    return "".join(chr(b) if 33 <= b <= 126 and b != 37 else f"%{b:02x}" for b in data)


def unescape(word: str) -> str:
    raw = re.sub(rb"%([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), word.encode())
    return raw.decode("utf-8", "surrogateescape")


def request(
    tag: int, thread: str, verb: str, words: Dict[str, object], bodies: Optional[List[bytes]]
) -> bytes:
    parts = [str(tag), thread, verb]
    for key, value in words.items():
        if value is None or value is False:
            continue
        parts.append(f"{key}={escape(1 if value is True else value)}")
    if bodies is not None:
        parts.append("body=" + ",".join(str(len(body)) for body in bodies))
    return b"".join([" ".join(parts).encode(), b"\n", *(bodies or [])])


class Parser:
    """Cuts what a driver writes into answers."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._unfinished: Optional[Tuple[int, Answer, int]] = None

    def feed(self, data: bytes) -> List[Tuple[int, Answer]]:
        self._data += data
        answers = []
        while True:
            answer = self._next()
            if answer is None:
                return answers
            answers.append(answer)

    def _next(self) -> Optional[Tuple[int, Answer]]:
        if self._unfinished is None:
            head = self._one()
            if head is None:
                return None
            words, answer = head
            tag, answer.status = int(words[0]), words[1]
            self._unfinished = (tag, answer, int(answer.words.pop("items", 0)))
        tag, answer, items = self._unfinished
        while len(answer.items) < items:
            item = self._one()
            if item is None:
                return None
            item[1].status = "ok"
            answer.items.append(item[1])
        self._unfinished = None
        return tag, answer

    def _one(self) -> Optional[Tuple[List[str], Answer]]:
        """A line and the bytes after it."""
        end = self._data.find(b"\n")
        if end < 0:
            return None
        plain: List[str] = []
        words: Dict[str, Value] = {}
        for part in self._data[:end].decode("ascii").split(" "):
            key, equals, value = part.partition("=")
            if not equals:
                plain.append(part)
            elif re.fullmatch(r"-?[0-9]+", value):
                words[key] = int(value)
            else:
                words[key] = unescape(value)
        body = None
        begin = end + 1
        if "body" in words:
            length = int(words.pop("body"))
            if len(self._data) < begin + length:
                return None
            body = bytes(self._data[begin : begin + length])
            begin += length
        del self._data[:begin]
        return plain, Answer("", words, body)
