"""What a person asks for in a registration, and what can be refused before any work."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.domain.errors import Invalid
from registry.domain.formats import Format, needs
from registry.registration import Declared

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


# Why a pickle of this format needs trust, and what to do.
_TRUSTED = {
    Format.FASTAI: "which can run any code when it is loaded. It is read as data, which runs"
    " nothing, and then loaded once by fastai, in a locked process, to compare the answers: if you"
    " know who made it, say so with --trust-pickle",
    Format.STATE_DICT: "though one of weights alone. PyTorch opens it with weights_only=True, in a"
    " locked process, and has had holes there: if you know who made it, say so with --trust-pickle,"
    " or save the weights as .safetensors, which needs no trust",
}


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person asks for.

    run_code: a fastai export may make its model by code of its own, in a locked process.
    """

    model: str
    path: Path
    actor: str
    training_data: Path
    calibration_data: Path | None = None
    kind: Format = Format.FASTAI
    declared: Declared | None = None
    trust_pickle: bool = False
    run_code: bool = False
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def check_request(request: Registration) -> None:
    """Invalid for what can be told before any work."""
    if not _NAME.fullmatch(request.model):
        raise Invalid(f"a model's name is letters, digits and . _ -, not {request.model!r}")
    if not request.path.is_file():
        raise Invalid(f"there is no file {request.path}")
    needed = needs(request.kind, request.path.suffix)
    if needed.described and request.declared is None:
        raise Invalid(
            f"{request.path.name} does not say how its images are prepared nor what its labels"
            " are; give --preprocessing FILE and --labels FILE"
        )
    factory = request.declared.factory if request.declared else None
    if needed.code and factory is None:
        raise Invalid(
            f"{request.path.name} holds weights only; name what makes the module with --factory"
            " module:function, and its folder with --code"
        )
    if needed.trust and not request.trust_pickle:
        raise Invalid(f"{request.path.name} is a pickle, {_TRUSTED[request.kind]}")
    if request.run_code and request.kind is not Format.FASTAI:
        raise Invalid(
            f"--run-code is for fastai exports that carry code; {request.path.name} is of format"
            f" {request.kind}, which needs no such leave"
        )
