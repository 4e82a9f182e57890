"""Bends valid samples: cut, flip, repeat, nest, swap, and values that parsers stumble over, by a seed alone.

Works on the text of JSON, TOML, CSV and addresses alike: a sample's tokens and bracketed parts are found once, and each
change is a splice of bytes. That costs a few microseconds an input, where building structures anew (as hypothesis does)
costs a hundred times that; ten thousand inputs for each parser then fit into a test run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\w.+-]+|[{}\[\],:;=&?/|]', re.DOTALL)
_CLOSES = {b"}": b"{", b"]": b"["}
HUGE = 100_000
Span = tuple[int, int]

# What stands in the place of a value. The comment says what has fallen over it elsewhere.
NASTY = (
    b"null", b"true", b"false", b"0", b"-1", b"-0", b"0.1", b"1e999", b"-1e999", b"1E+2", b"NaN", b"Infinity",
    b"18446744073709551616", b"9223372036854775808", b"9" * 400, b"9" * 5000,  # wider than a word, a float, int()
    b'"9007199254740993"', b'"' + b"9" * 5000 + b'"', b'"1e400"', b'"NaN"', b'"-inf"', b'"0x10"', b'"\xd9\xa3"',
    b'""', b'" "', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\x00"', b'"\xff\xfe"', b'"\xed\xa0\x80"',
    b'"\\n2026-01-01 ERROR x"', '"\u202e\u2066\u200b\ufeff"'.encode(), b'"\\u001b[31m"', b'"\\"', b'"' + b"\\" * 99,
    b'"' + b"x" * HUGE + b'"', b'"' + "\u00e4\u0301".encode() * 300 + b'"', b"x" * 300,
    b"[]", b"{}", b"[null]", b'[""]', b'[{}]', b'{"":{}}', b"[[[[]]]]", b'{"a":1,"a":2}', b"[" * 200,
    b'{"a":' * 200, b"[" * 90 + b"]" * 90, b'{"item":[' * 90 + b"]}" * 90,
    b'"2999-01-01T00:00:00Z"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59.999999999-14:00"',
    b'"2016-12-31T23:59:60Z"', b'"2026-02-30"', b'"2026-01-01T24:00:00Z"', b'"2026-01-01T00:00:00"', b'"2026"',
    b'"0000-00-00"', b'"9999-12-31"', b'"-271821-04-20T00:00:00Z"', b'"2026-01-01T00:00:00+99:99"', b"1e14", b"-1e17",
    b'"../../../etc/passwd"', b'"/"', b'"//evil.example/"', b'"http://evil.example/?u=http://127.0.0.1"',
    b'"%00%2e%2e"', b'"http://[::1"', b'"http://a:99999/"', b'"https://\xc5\x82.example/"', b'"Patient/"',
    b'"{{7*7}}"', b'"=1+1"', b'"__import__(\'os\')"', b'"(a+)+$"', b'"%s%n{0}{x}"', b"'", b"\\", b"\r\n", b"\x00",
    b'"javascript:alert(1)"', b"\t",
)  # fmt: skip
DEEP = (b"[" * 60_000, b'{"a":' * 60_000, b"[" * 60_000 + b"]" * 60_000, b'{"item":[' * 30_000 + b"]}" * 30_000)


@dataclass(frozen=True, slots=True)
class Sample:
    """A valid input, with where its tokens (bracketed parts included) stand."""

    data: bytes
    spans: tuple[Span, ...]


def sample(data: bytes) -> Sample:
    """Finds the tokens of an input."""
    spans: list[Span] = []
    opened: list[tuple[bytes, int]] = []
    for found in _TOKEN.finditer(data):
        token = found.group()
        if token in (b"{", b"["):
            opened.append((token, found.start()))
        elif token in _CLOSES:
            if opened and opened[-1][0] == _CLOSES[token]:
                spans.append((opened.pop()[1], found.end()))
        else:
            spans.append(found.span())
    return Sample(data, tuple(spans) or ((0, len(data)),))


def bent(given: Sample, random: Random) -> bytes:
    """The sample with one to three changes; one input in two hundred is nested very deep."""
    data, moved = given.data, False
    for _ in range(1 if random.random() < 0.6 else random.randint(2, 3)):
        data = _bytes(data, random) if moved or random.random() < 0.2 else _tokens(given, random)
        moved = True  # the places of tokens are those of the sample itself
    return data


def _tokens(given: Sample, random: Random) -> bytes:
    data, spans = given.data, given.spans
    start, end = random.choice(spans)
    other, until = random.choice(spans)
    kind = random.random()
    if kind < 0.5:
        new = random.choice(DEEP) if random.random() < 0.01 else random.choice(NASTY)
    elif kind < 0.65:
        new = data[other:until]
    elif kind < 0.75:
        new = b""
    elif kind < 0.85:
        new = data[start:end] * random.choice((2, 2, 3, 50))
    elif kind < 0.92:
        new = data[start:end] + random.choice((b",", b":", b"=", b"\n", b";")) + data[other:until]
    else:
        new = b'"' + data[start:end].replace(b'"', b"") + b'"'
    return data[:start] + new + data[end:]


def _bytes(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    until = min(len(data), at + random.choice((1, 1, 2, 8, 64)))
    kind = random.random()
    if kind < 0.3:
        return data[:at] + bytes([random.getrandbits(8)]) + data[min(at + 1, len(data)) :]
    if kind < 0.5:
        return data[:at] + random.randbytes(random.choice((1, 2, 7))) + data[at:]
    if kind < 0.65:
        return data[:at] + data[until:]
    if kind < 0.8:
        return data[:at]
    if kind < 0.9:
        return data[:until] + data[at:until] * random.choice((1, 3, 200)) + data[until:]
    return data[:at] + random.choice(NASTY) + data[at:]
