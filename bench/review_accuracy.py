"""Coverage of the error rate that people are shown: `python -m bench.review_accuracy`.

Simulated months of 6,000 answers, flagged ones all reviewed and others one in ten; flagged answers
are wrong four times as often, reviewers are wrong one time in ten, and how often is known from 150
items of either kind. Beside the corrected interval: the naive share of errors, which most tools
show, as if its 95 % interval were about all answers.
"""

import numpy as np

from serving.domain.accuracy import Known, error_rate

MONTHS, ANSWERS, SEED = 1_000, 6_000, 6


def main() -> None:
    rng = np.random.default_rng(SEED)
    print("true rate   naive covers   weighted covers   corrected covers   corrected width")
    for rate in (0.02, 0.05, 0.1, 0.2):
        covered, widths = np.zeros(3), []
        for _ in range(MONTHS):
            flagged = rng.random(ANSWERS) < 0.08
            errors = rng.random(ANSWERS) < np.where(flagged, min(1.0, 4 * rate), rate * 0.74)
            chances = np.where(flagged, 1.0, 0.1)
            drawn = rng.random(ANSWERS) < chances
            said = errors[drawn] ^ (rng.random(int(drawn.sum())) < 0.1)
            known = Known(150, int(rng.binomial(150, 0.9)), 150, int(rng.binomial(150, 0.9)))
            found = error_rate(said, chances[drawn], np.empty(0), known)
            truth = errors.mean()
            for i, one in enumerate((found.naive, found.weighted, found.corrected)):
                covered[i] += one is not None and one.low <= truth <= one.high
            widths.append(found.corrected.high - found.corrected.low if found.corrected else 1.0)
        shares = "".join(f"{share:15.1%}   " for share in covered / MONTHS)
        print(f"{rate:9.0%}{shares}{np.mean(widths):12.3f}")


if __name__ == "__main__":
    main()
