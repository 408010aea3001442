"""Metrics as whoever scrapes them reads them: Prometheus's text, or OpenMetrics with exemplars."""

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_END = b"# EOF\n"


def exposition(accept: str, *registries: Collector) -> tuple[bytes, str]:
    """The body that tells of all registries, and its content type, by the header Accept."""
    encode, kind = choose_encoder(accept)
    parts = [encode(registry) for registry in registries]
    told = b"".join(part.removesuffix(_END) for part in parts)
    return told + (_END if parts[0].endswith(_END) else b""), kind
