"""Which adapters read each format: its intake, its converter and its original."""

from pathlib import Path

from registry.adapters.conversion import DeclaredModel, FastaiOriginal, JailedConverter
from registry.adapters.intake import FastaiIntake, FileIntake
from registry.domain.errors import Invalid
from registry.domain.formats import Format
from registry.registration import Converter, Declared, Intake, Original


def reader(
    kind: Format,
    declared: Declared | None,
    scratch: Path,
    *,
    allow_unjailed: bool,
    run_code: bool = False,
) -> tuple[Intake, Converter, Original]:
    """Copying, converting and asking a file of this format; `scratch` is their processes' home."""
    if kind is Format.FASTAI:
        how = {"run_code": run_code, "allow_unjailed": allow_unjailed}
        return FastaiIntake(), JailedConverter(scratch, **how), FastaiOriginal(scratch, **how)
    if declared is None:
        raise Invalid(f"a file of format {kind} needs --preprocessing and --labels")
    model = DeclaredModel(kind, declared, scratch, allow_unjailed=allow_unjailed)
    return FileIntake(declared.code), model, model
