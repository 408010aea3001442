"""Archives that hide behind a picture: the same bytes are one thing here and another elsewhere."""

_END = b"PK\x05\x06"
_TAIL_BYTES = 22 + 65_535  # the end record, and the longest comment behind it


def hides_archive(data: bytes) -> bool:
    """Whether a zip file ends where these bytes end.

    The record at its end says how long the comment behind it is, so that the four letters alone,
    which turn up by chance in compressed pixels, are not taken for one.
    """
    tail = data[-_TAIL_BYTES:]
    at = tail.rfind(_END)
    while at >= 0:
        comment = int.from_bytes(tail[at + 20 : at + 22], "little")
        if len(tail) >= at + 22 and at + 22 + comment == len(tail):
            return True
        at = tail.rfind(_END, 0, at)
    return False
