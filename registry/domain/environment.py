"""What a version needs of the place where it runs, by the versions that it was proven with.

What serves is an ONNX graph and a document of transforms, so three packages matter, each within a
range. The original is needed again only to be compared or exported: a pickle then wants the same
minor version of Python and the same fastai, since pickles name the insides of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from registry.domain.errors import Conflict

# The graph's operators grow with minor versions of the runtime; pixels come from pillow.
_PARTS_THAT_COUNT = {"onnxruntime": 2, "numpy": 1, "pillow": 1}
SERVING = tuple(sorted(_PARTS_THAT_COUNT))
PACKAGES = ("torch", "torchvision", "fastai", *SERVING)
_PICKLED = {"python": 2, "fastai": 3}
_FACTS = {"platform", "cuda", "exported_with_python"}  # what is known, and decides nothing


class Fit(StrEnum):
    """Whether what is installed is what a version needs."""

    SAME = "same"
    FITS = "fits"
    WRONG = "does not fit"
    MISSING = "missing"
    UNUSED = "not needed to serve"
    ORIGINAL = "matters only for opening the original again"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One package: the version that a model was proven with, the range it needs, what is here."""

    package: str
    recorded: str
    needed: str
    installed: str
    fit: Fit

    @property
    def stops(self) -> bool:
        """Whether the version cannot be served here because of it."""
        return self.fit in (Fit.WRONG, Fit.MISSING)

    @property
    def here(self) -> str:
        """What is installed, in words."""
        return f"{self.package} {'is missing' if self.fit is Fit.MISSING else self.installed}"


def compatibility(
    recorded: Mapping[str, str], installed: Mapping[str, str], source_format: str
) -> tuple[Requirement, ...]:
    """Every package that was recorded, serving's first."""
    names = sorted({*recorded} - _FACTS, key=lambda name: (name not in SERVING, name))
    return tuple(_requirement(name, recorded, installed, source_format) for name in names)


def require_fit(name: str, recorded: Mapping[str, str], installed: Mapping[str, str]) -> None:
    """Conflict names the packages of this place that do not fit, and the versions that would."""
    wrong = [r for r in compatibility(recorded, installed, "") if r.stops]
    if not wrong:
        return
    found = ", ".join(r.here for r in wrong)
    needed = " ".join(f"'{r.package}{r.needed}'" for r in wrong)
    was = ", ".join(f"{r.package} {r.recorded}" for r in wrong)
    raise Conflict(
        f"{name} was proven with {was} and cannot be trusted with what is installed here"
        f" ({found}): pip install {needed}, or register it again here"
    )


def requirements_text(recorded: Mapping[str, str]) -> str:
    """The exact versions as a requirements file; how it was made stands in its comments."""
    facts = [
        f"# {name} {recorded[name]}" for name in ("python", *sorted(_FACTS)) if name in recorded
    ]
    pinned = [f"{name}=={recorded[name]}" for name in sorted(PACKAGES) if name in recorded]
    return "\n".join([*facts, *pinned]) + "\n"


def _requirement(
    name: str, recorded: Mapping[str, str], installed: Mapping[str, str], source_format: str
) -> Requirement:
    was, here = recorded[name], installed.get(name)
    if name in SERVING:
        needed = _range(was, _PARTS_THAT_COUNT[name])
        fit = Fit.MISSING if here is None else _fit(was, here, _PARTS_THAT_COUNT[name])
    else:
        pickled = source_format == "fastai" and name in _PICKLED
        needed = f"=={_release(was, _PICKLED[name])}" if pickled else "-"
        fit = Fit.ORIGINAL if pickled and here != was else Fit.UNUSED
        fit = Fit.SAME if here == was else fit
    return Requirement(name, was, needed, here or "-", fit)


def _fit(was: str, here: str, parts: int) -> Fit:
    if was == here:
        return Fit.SAME
    old, new = _numbers(was), _numbers(here)
    return Fit.FITS if old[0] == new[0] and new[:parts] >= old[:parts] else Fit.WRONG


def _range(was: str, parts: int) -> str:
    """`>=1.31,<2` of 1.31.1 where two parts count."""
    return f">={_release(was, parts)},<{_numbers(was)[0] + 1}"


def _release(version: str, parts: int) -> str:
    return ".".join(str(n) for n in _numbers(version)[:parts])


def _numbers(version: str) -> tuple[int, ...]:
    """The release's numbers: (2, 13, 0) of 2.13.0+cpu; (0,) of what has none."""
    found = []
    for part in version.partition("+")[0].split("."):
        if not part.isdecimal():
            break
        found.append(int(part))
    return tuple(found) or (0,)
