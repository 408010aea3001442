"""Opening the bundle of a registered version, and believing it only if it is the registered one."""

from registry.domain.errors import Conflict
from registry.domain.versions import ModelVersion
from registry.registration import BundleFinder, Bundles, OpenBundle


def open_version(version: ModelVersion, finder: BundleFinder, bundles: Bundles) -> OpenBundle:
    """The bundle, with every digest checked; Conflict if another lies in its place."""
    bundle = bundles.open(finder.fetch(version))
    if bundle.digest != version.digest:
        raise Conflict(
            f"the bundle of {version.name} has the digest {bundle.digest}, but {version.digest} was"
            " registered: its manifest was replaced; register the version again"
        )
    return bundle
