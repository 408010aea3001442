"""What a version brings along for monitoring: its profile and, if calibrated, its scorer."""

from dataclasses import dataclass

from monitoring.domain.out_of_domain import Scorer
from monitoring.domain.profile import Profile

PROFILE_FILE = "profile.json"
SCORER_FILE = "scorer.npz"


@dataclass(frozen=True, slots=True)
class Reference:
    """`scorer` is None for a version that was registered without calibration data."""

    profile: Profile
    scorer: Scorer | None = None
