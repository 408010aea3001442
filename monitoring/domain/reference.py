"""What a version brings along for monitoring: its profile and, if calibrated, its scorer."""

from dataclasses import dataclass

from monitoring.domain.out_of_domain import Scorer
from monitoring.domain.profile import Profile

PROFILE_FILE = "profile.json"
SCORER_FILE = "scorer.npz"
OUT_OF_DOMAIN_LEVEL = 0.01


@dataclass(frozen=True, slots=True)
class Reference:
    """`scorer` is None for a version that was registered without calibration data."""

    profile: Profile
    scorer: Scorer | None = None

    @property
    def out_of_domain_level(self) -> float:
        """Inputs with a p-value up to this count as out of domain in a window's ratio.

        A scorer with few held-out rows gives no p-value as small as 0.01: then the smallest it has.
        """
        least = self.scorer.minimum_level if self.scorer else 0.0
        return max(OUT_OF_DOMAIN_LEVEL, least)
