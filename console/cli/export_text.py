"""What `stagegate model export` prints for people."""

from collections.abc import Mapping
from typing import Any

from console.cli.session import paint, table

_NAMES = {"eager": "PyTorch eager", "served": "as it serves", "exported": "exported"}


def export_text(document: Mapping[str, Any]) -> str:
    """Where it lies, how large and fast it is beside eager, and how it was compared."""
    name = f"{document['model']}@{document['version']} as {document['format']}"
    parts = [
        paint(f"Exported {name} to {document['target']}", "green"),
        f"{_size(document['size_bytes'])} in {len(document['files'])} files, loaded in"
        f" {1000 * document['load_seconds']:.0f} ms",
        "",
        _latency_text(document["latency_ms"]),
        *([f"no eager: {document['no_eager']}"] if document["no_eager"] else []),
        "",
        _parity_text(document["parity"]),
    ]
    return "\n".join([*parts, *_details_text(document["details"])])


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _latency_text(latency: Mapping[str, Mapping[str, float]]) -> str:
    eager = latency.get("eager", {})
    rows: list[tuple[object, ...]] = [
        (
            _NAMES[name],
            *(f"{ms:.3g} ms" for ms in times.values()),
            *(f"{eager[batch] / ms:.2g} x" if eager else "-" for batch, ms in times.items()),
        )
        for name, times in latency.items()
    ]
    batches = [f"batch of {batch}" for batch in next(iter(latency.values()))]
    return table(("one thread", *batches, *("against eager" for _ in batches)), rows)


def _parity_text(parity: Mapping[str, Any]) -> str:
    if "checks" not in parity:
        same = f"same class for {parity['same_class']:.1%} of {parity['inputs']} inputs"
        if parity["accuracy_change"] is None:
            return same
        return (
            f"{same}; accuracy {parity['accuracy_before']:.1%} to {parity['accuracy_after']:.1%}"
            f" ({parity['accuracy_change']:+.1%})"
        )
    rows: list[tuple[object, ...]] = [
        (c["name"], c["rows"], f"{c['difference']:.1e}", f"{c['share_of_tolerance']:.1%}", "passed")
        for c in parity["checks"]
    ]
    allowed = f"of rtol {parity['rtol']:g}, atol {parity['atol']:g}"
    return table(("parity", "rows", "largest difference", allowed, ""), rows)


def _details_text(details: Mapping[str, Any]) -> list[str]:
    facts: list[tuple[object, ...]] = [
        (name.replace("_", " "), value)
        for name, value in details.items()
        if not isinstance(value, (list, dict))
    ]
    return ["", table(("", ""), facts).lstrip()] if facts else []
