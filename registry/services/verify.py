"""Verifying a registered version where it is to run: digests, answers, environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.documents.proof import NAME as PROOF
from registry.documents.proof import read_proof
from registry.domain.environment import Requirement, compatibility, require_fit
from registry.domain.errors import Invalid
from registry.domain.parity import Parity, compare
from registry.domain.versions import ModelVersion
from registry.registration import BundleFinder, Bundles, Runtime
from registry.services.open_version import open_version


@dataclass(frozen=True, slots=True)
class Verified:
    """A version that is what was registered, and answers here as its original did there."""

    version: ModelVersion
    parity: Parity
    compatibility: tuple[Requirement, ...]


def verify(
    version: ModelVersion,
    finder: BundleFinder,
    bundles: Bundles,
    runtime: Runtime,
    installed: Mapping[str, str],
) -> Verified:
    """Invalid or Conflict says which file was changed or which answers differ."""
    bundle = open_version(version, finder, bundles)
    require_fit(version.name, version.environment, installed)
    proof = read_proof(bundle.read(PROOF))
    answering = runtime.open(bundle.preprocessing(), bundle.model)
    found = answering.probabilities(list(proof.encoded().values()), len(proof.pictures))
    parity = Parity((compare("pictures of the bundle", found, proof.wanted(), proof.tolerance),))
    if not parity.passed:
        raise Invalid(
            f"{version.name} does not answer here as its original did: {parity.failures[0]};"
            " compare the versions of onnxruntime and pillow"
        )
    found_here = compatibility(version.environment, installed, version.source_format)
    return Verified(version, parity, found_here)
