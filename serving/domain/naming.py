"""What things are called that are made here: UUIDs of version 7, which sort by their time."""

from datetime import datetime


def uuid7(at: datetime, bits: int) -> str:
    """A UUID version 7 of a moment (RFC 9562, section 5.7).

    bits: 80 of them at random; six are overwritten.

    >>> from datetime import UTC
    >>> uuid7(datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC), 0)
    '017f22e2-79b0-7000-8000-000000000000'
    """
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    number = milliseconds << 80 | bits
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
