"""The side of the sandbox that is inside, with the program. Its text is given to a bare interpreter
(`python -c`), so it imports nothing of ours; `harness/sandbox/check.py` takes the coding of values from it.

On descriptors 0 and 1 it starts with, requests come and replies go, each a frame: four bytes of length and
a payload. It says READY, is given the program, then calls. A reply is RETURNED with a value or RAISED with a text.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # the typing module would cost every run 8 ms
    from collections.abc import Iterator
    from typing import Any

READY, RETURNED, RAISED = b"K", b"R", b"E"
LONGEST_FRAME = 8 << 20  # bytes
DEEPEST = 100  # levels of a nested value
LONGEST_INT = 100_000  # hexadecimal digits
MEMORY = 1 << 30  # bytes of address space
FILE_SIZE = 16 << 20  # bytes
OPEN_FILES = 64


def encode(value: Any) -> bytes:
    """A plain value as bytes: None, bool, int, float, complex, str, bytes, list, tuple, dict, set and frozenset.

    A subclass crosses as the plain type under it (a Counter as a dict). TypeError for any other
    type, ValueError for a value that is nested too deep or an integer that is too long."""
    return b"".join(_pieces(value, 0))


def _pieces(value: Any, depth: int) -> Iterator[bytes]:
    if depth > DEEPEST:
        raise ValueError(f"a value nested deeper than {DEEPEST} levels cannot cross the sandbox's wall")
    if value is None:
        yield b"N"
    elif value is True or value is False:
        yield b"T" if value else b"F"
    elif isinstance(value, int):
        digits = int.__format__(value, "x")
        if len(digits) > LONGEST_INT:
            raise ValueError("so large an integer cannot cross the sandbox's wall")
        yield b"i%b;" % digits.encode()
    elif isinstance(value, float):
        yield b"f%b;" % float.hex(value).encode()
    elif isinstance(value, complex):
        yield b"c%b,%b;" % (value.real.hex().encode(), value.imag.hex().encode())
    elif isinstance(value, str):
        data = str.encode(value, "utf-8", "surrogatepass")
        yield b"s%d:%b" % (len(data), data)
    elif isinstance(value, (bytes, bytearray)):
        yield b"b%d:%b" % (len(value), bytes(value))
    elif isinstance(value, dict):
        pairs = list(dict.items(value))
        yield b"d%d:" % len(pairs)
        for key, inner in pairs:
            yield from _pieces(key, depth + 1)
            yield from _pieces(inner, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        kinds = ((list, b"l"), (tuple, b"t"), (set, b"S"), (frozenset, b"z"))
        items = list(value)
        yield b"%b%d:" % (next(tag for kind, tag in kinds if isinstance(value, kind)), len(items))
        for inner in items:
            yield from _pieces(inner, depth + 1)
    else:
        raise TypeError(f"a value of type {type(value).__name__} cannot cross the sandbox's wall: plain values only")


def decode(data: bytes) -> Any:
    """The value that `encode` wrote. ValueError, TypeError or OverflowError for bytes that it did not write."""
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise ValueError("there is more than one value")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    tag = data[at : at + 1]
    at += 1
    if tag == b"N":
        return None, at
    if tag == b"T" or tag == b"F":
        return tag == b"T", at
    if tag == b"i" or tag == b"f" or tag == b"c":
        end = data.index(b";", at)
        if end - at > LONGEST_INT + 1:
            raise ValueError("a number that is too long")
        text = data[at:end].decode("ascii")
        if tag == b"i":
            return int(text, 16), end + 1
        if tag == b"f":
            return float.fromhex(text), end + 1
        real, imaginary = text.split(",")
        return complex(float.fromhex(real), float.fromhex(imaginary)), end + 1
    if tag not in (b"s", b"b", b"l", b"t", b"S", b"z", b"d"):
        raise ValueError("no value starts like this")
    colon = data.index(b":", at)
    size = int(data[at:colon])
    at = colon + 1
    if not 0 <= size <= len(data) - at:  # what is counted takes a byte each at least
        raise ValueError("a length that cannot be")
    if tag == b"s" or tag == b"b":
        raw = data[at : at + size]
        return (raw.decode("utf-8", "surrogatepass") if tag == b"s" else raw), at + size
    if tag == b"d":
        table = {}
        for _ in range(size):
            key, at = _value(data, at, depth + 1)
            table[key], at = _value(data, at, depth + 1)
        return table, at
    items = []
    for _ in range(size):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return {b"l": list, b"t": tuple, b"S": set, b"z": frozenset}[tag](items), at


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def _serve() -> None:
    import posix
    import resource

    requests, replies = posix.dup(0), posix.dup(1)
    null = posix.open("/dev/null", posix.O_RDWR)
    for standard in (0, 1, 2):
        posix.dup2(null, standard)
    posix.closerange(max(requests, replies) + 1, 1024)

    def receive() -> bytes:
        def exactly(count: int) -> bytes:
            data = b""
            while len(data) < count:
                piece = posix.read(requests, count - len(data))
                if not piece:
                    posix._exit(0)
                data += piece
            return data

        return exactly(int.from_bytes(exactly(4), "big"))

    def send(payload: bytes) -> None:
        data = memoryview(frame(payload))
        while data:
            data = data[posix.write(replies, data) :]

    send(READY)
    source, entry_point, seconds = decode(receive())
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),  # neither a process nor a thread can be started
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))

    names: dict[str, Any] = {}

    def load() -> None:
        exec(compile(source + "\n", "<program>", "exec", dont_inherit=True), names)  # noqa: S102 - the sandbox is for this
        if entry_point not in names:
            raise NameError(f"name {entry_point!r} is not defined")

    def reply(function: Any, arguments: Any = (), keywords: Any = None) -> bool:
        try:
            payload = RETURNED + encode(function(*arguments, **(keywords or {})))
            if len(payload) > LONGEST_FRAME:
                raise ValueError(f"an answer of more than {LONGEST_FRAME} bytes cannot cross the sandbox's wall")
        except BaseException as error:
            try:
                text = f"{type(error).__name__}: {error}"[:300]
            except BaseException:
                text = "an exception that cannot be shown"
            payload = RAISED + encode(text)
        send(payload)
        return payload.startswith(RETURNED)

    if reply(load):
        while True:
            reply(names[entry_point], *decode(receive()))


if __name__ == "__main__":
    _serve()
