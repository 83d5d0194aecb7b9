"""The same count in one process, without ports, and in another way than the workers count."""

import errno
import os
import stat
from collections import Counter

LONGEST_WORD = 1024
CHUNK = 1 << 20
# Every byte that belongs to no word becomes a blank.
WORD_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
TO_BLANKS = bytes(byte if byte in WORD_BYTES else 0x20 for byte in range(256))


def files(root):
    """Paths and sizes of the regular files below a folder; links below it are not followed."""
    root = os.fsencode(root)
    if not os.path.isdir(root):
        about = os.stat(root)
        if stat.S_ISREG(about.st_mode):
            yield root, about.st_size
        return
    folders = [root]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    try:
                        about = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if stat.S_ISDIR(about.st_mode):
                        folders.append(entry.path)
                    elif stat.S_ISREG(about.st_mode):
                        yield entry.path, about.st_size
        except OSError:
            continue


def words(chunks):
    """The words of a file given in chunks, in lists."""
    tail = b""
    for chunk in chunks:
        text = tail + chunk.translate(TO_BLANKS)
        found = text.split()
        # The last word may go on in the next chunk.
        tail = b"" if not found or text.endswith(b" ") else found.pop()
        found = [part for word in found for part in cut(word)]
        if len(tail) >= LONGEST_WORD:
            whole = len(tail) - len(tail) % LONGEST_WORD
            found.extend(cut(tail[:whole]))
            tail = tail[whole:]
        yield found
    if tail:
        yield list(cut(tail))


def cut(word):
    if len(word) <= LONGEST_WORD:
        return (word,)
    return [word[at : at + LONGEST_WORD] for at in range(0, len(word), LONGEST_WORD)]


def count(root):
    """How often each word is there, and how many bytes were read."""
    counts = Counter()
    total = 0

    def chunks(file):
        nonlocal total
        while True:
            try:
                chunk = file.read(CHUNK)
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                return
            if not chunk:
                return
            total += len(chunk)
            yield chunk

    for path, _ in files(root):
        try:
            file = open(path, "rb", buffering=0)
        except OSError:
            continue
        with file:
            for found in words(chunks(file)):
                counts.update(found)
    return counts, total
