"""What `stagegate model` prints: documents for programs, tables for people."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.cli.session import paint, table

if TYPE_CHECKING:
    from registry.domain.difference import Difference
    from registry.domain.environment import Requirement
    from registry.domain.versions import ModelVersion
    from registry.services.verify import Verified


def version_document(version: "ModelVersion", stage: str) -> dict[str, Any]:
    """The whole record of a version."""
    return {
        "model": version.model,
        "version": version.version,
        "stage": stage,
        "digest": version.digest,
        "format": version.source_format,
        "labels": list(version.labels),
        "threshold": version.threshold,
        "parity": dict(version.parity or {}),
        "environment": dict(version.environment),
        "description": version.description,
        "tags": dict(version.tags or {}),
        "author": version.author,
        "created_at": version.created_at.isoformat(),
        "bundle_uri": version.bundle_uri,
        "run_id": version.run_id,
    }


def verified_document(found: "Verified") -> dict[str, Any]:
    """What was verified."""
    return {
        "model": found.version.model,
        "version": found.version.version,
        "digest": found.version.digest,
        "verified": True,
        "parity": found.parity.document(),
        "compatibility": compatibility_document(found.compatibility),
    }


def compatibility_document(rows: "Sequence[Requirement]") -> list[dict[str, Any]]:
    """What a version needs of the packages installed here."""
    return [
        {
            "package": row.package,
            "recorded": row.recorded,
            "needed": row.needed,
            "installed": row.installed,
            "fit": row.fit.value,
        }
        for row in rows
    ]


def difference_document(
    name: str, first: int, second: int, found: "Sequence[Difference]"
) -> dict[str, Any]:
    """What differs between two versions."""
    changes = [{"what": d.place, "first": d.first, "second": d.second} for d in found]
    return {"model": name, "first": first, "second": second, "differences": changes}


def difference_text(document: Mapping[str, Any], everything: bool) -> str:
    """One line for each difference; digests and sizes of files only in a text with everything."""
    names = [f"{document['model']}@{document[which]}" for which in ("first", "second")]
    found = document["differences"]
    if not found:
        return f"{names[0]} and {names[1]} differ in nothing but when and by whom."
    listed = found if everything else [d for d in found if not _is_of_bytes(d)]
    told = sorted(listed, key=_is_of_bytes)
    rows: list[tuple[object, ...]] = [
        (d["what"], _whole(d["first"]), _whole(d["second"])) for d in told
    ]
    parts = [table(("what", *names), rows)] if rows else []
    if len(told) < len(found):
        parts.append(f"Digests and sizes that differ: {len(found) - len(told)}; --all lists them.")
    return "\n".join(parts)


def _is_of_bytes(difference: Mapping[str, Any]) -> bool:
    place: str = difference["what"]
    return place.startswith("files.") or place in {"source.sha256", "source.size"}


def _whole(value: object) -> object:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def versions_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """One line for each version."""
    if not documents:
        return "No version is registered; `stagegate model register --help` says how."
    rows: list[tuple[object, ...]] = [
        (
            f"{d['model']}@{d['version']}",
            d["stage"],
            d["format"],
            d["environment"].get("python"),
            d["environment"].get("torch"),
            d["environment"].get("fastai"),
            d["created_at"][:16].replace("T", " "),
            d["author"],
        )
        for d in documents
    ]
    return table(
        ("version", "stage", "format", "python", "torch", "fastai", "registered", "by"), rows
    )


def version_text(document: Mapping[str, Any]) -> str:
    """The record of a version, one fact a line, and its parity."""
    facts = {k: v for k, v in document.items() if isinstance(v, (str, int)) and v != ""}
    facts["labels"] = labels_text(document)
    known = {row["package"] for row in document["compatibility"]}
    facts |= {
        f"made with {name.replace('_', ' ')}": value
        for name, value in sorted(document["environment"].items())
        if name not in known
    }
    facts |= {f"tag {k}": v for k, v in sorted(document["tags"].items())}
    listed = table(("", ""), [(name, value) for name, value in facts.items()])
    fits = compatibility_text(document["compatibility"])
    return f"{listed.lstrip()}\n\n{parity_text(document['parity'])}\n\n{fits}"


_READ = {
    "fastai": "The export was read as data",
    "onnx": "The graph was checked",
    "state-dict": "The weights were read into the module of the factory",
}


def labels_text(document: Mapping[str, Any]) -> str:
    """The labels, and which of them an answer has."""
    level = document.get("threshold")
    several = "" if level is None else f"; an answer is every label above {level:g}"
    return ", ".join(map(str, document["labels"])) + several


def registered_text(document: Mapping[str, Any]) -> str:
    """What a registration ends with."""
    return "\n".join(
        [
            paint(f"Registered {document['model']}@{document['version']}", "green"),
            f"digest {document['digest']}",
            f"labels {labels_text(document)}",
            document["out_of_domain"],
            *_ran(document["globals"]),
            f"{_READ.get(document['format'], 'The model was opened to be converted')}, "
            f"{_locked(document['jail']['conversion'])}",
            f"Its original was asked for comparison, {_locked(document['jail']['original'])}",
            "",
            parity_text(document["parity"]),
            "",
            table(("made with", "version"), sorted(document["environment"].items())),
        ]
    )


def _ran(names: Mapping[str, Any]) -> Sequence[str]:
    """What of a file was run though nobody knows what it is."""
    unknown = [*names["unknown"], *names["unusual_calls"]]
    return [f"Code of its own was run, locked in: {', '.join(unknown)}"] if unknown else []


def _locked(jail: Mapping[str, Any]) -> str:
    kept = "locked in" if jail["filter"] else paint("not fully locked in", "yellow")
    return f"{kept}: {jail['sentence']}."


def verified_text(document: Mapping[str, Any]) -> str:
    """What a verification found."""
    return "\n".join(
        [
            paint(f"{document['model']}@{document['version']} is what was registered", "green"),
            parity_text(document["parity"]),
            "",
            compatibility_text(document["compatibility"]),
        ]
    )


def compatibility_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of packages."""
    cells: list[tuple[object, ...]] = [tuple(row.values()) for row in rows]
    return table(("package", "proven with", "needed", "here", ""), cells)


def parity_text(parity: Mapping[str, Any]) -> str:
    """The table of checks, and the largest difference."""
    rows: list[tuple[object, ...]] = [
        (
            check["name"],
            check["rows"],
            f"{check['difference']:.1e}",
            f"{check['tolerance']:g}",
            "passed" if check["passed"] else paint("FAILED", "red"),
        )
        for check in parity.get("checks", ())
    ]
    listed = table(("parity", "rows", "largest difference", "allowed", ""), rows)
    return f"{listed}\nlargest difference of probabilities: {parity.get('max_abs_diff', 0):.1e}"
