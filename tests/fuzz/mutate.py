"""Bytes that were damaged, by chance or by somebody, from a random number generator."""

import numpy as np

PIECES = (
    b"\x1b]0;owned\x07", b"\x9b31m", "\u202e".encode(), b"\0", b"\xff", b"\r", b"\n", b"\n\n", b'"',
    b'""', b",", b";", b"\t", b"|", b"-", b"--", b"nan", b"inf", b"1e999", b"-1", b"0", b"1,23",
    b"1.234,5", b"1K", b"=1+1", b"../../x", b"{}", b"[]", b"null", b"true", b"[" * 2000, b"9" * 400,
    b"2024-02-30", b"24:00", b"31/12/2023", b"Date", b"Close", b"close,close", b"PAR1", b"\x1f\x8b",
    b"\xef\xbb\xbf", b"\xff\xfe", "ﬁ".encode(), "é".encode("latin-1"),
)  # fmt: skip
"""What is put into a file: marks of formats, numbers that are none, commands of a terminal."""


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """Return bytes with one to six changes.

    Parameters
    ----------
    content : bytes
    random : Generator
        That decides all.
    """
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 7))):
        _change(changed, random)
    return bytes(changed)


def _change(content: bytearray, random: np.random.Generator) -> None:
    """Flip a bit, put a piece in, or remove, double, move or cut a part."""
    size = len(content)
    a = int(random.integers(0, size + 1))
    b = min(size, a + int(random.integers(1, 64)))
    match int(random.integers(0, 7)):
        case 0 if size:
            content[a % size] ^= 1 << int(random.integers(0, 8))
        case 1:
            content[a:a] = PIECES[int(random.integers(0, len(PIECES)))]
        case 2:
            content[a:b] = PIECES[int(random.integers(0, len(PIECES)))]
        case 3:
            del content[a:b]
        case 4:
            content[a:a] = content[a:b]
        case 5:
            part = content[a:b]
            del content[a:b]
            place = int(random.integers(0, len(content) + 1))
            content[place:place] = part
        case _ if random.random() < 0.3:
            del content[a:]
        case _:
            content[a:b] = bytes(random.integers(0, 256, b - a, dtype=np.uint8))
