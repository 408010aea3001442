"""The versions that a model was made with, compared with those installed here."""

from collections.abc import Mapping

# What serving needs; the rest matters only for exporting again.
SERVING = ("numpy", "onnxruntime", "pillow")
PACKAGES = ("torch", "torchvision", "fastai", "numpy", "onnxruntime", "pillow")


def compatibility(
    recorded: Mapping[str, str], installed: Mapping[str, str]
) -> tuple[tuple[str, str, str, str], ...]:
    """Rows of (package, recorded, installed, remark), serving's packages first."""
    names = sorted({*recorded, *installed} - {"platform"}, key=lambda n: (n not in SERVING, n))
    return tuple(
        (
            name,
            recorded.get(name, "-"),
            installed.get(name, "-"),
            _remark(name, recorded, installed),
        )
        for name in names
    )


def _remark(name: str, recorded: Mapping[str, str], installed: Mapping[str, str]) -> str:
    was, now = recorded.get(name), installed.get(name)
    if was == now:
        return "same"
    if now is None:
        return "missing here; serving needs it" if name in SERVING else "not needed to serve"
    if name in SERVING and was is not None and _major(was) != _major(now):
        return "another major version; run `stagegate model verify`"
    return "differs"


def _major(version: str) -> str:
    return version.partition(".")[0]
