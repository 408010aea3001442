"""What is stored of somebody's requests, and what may go."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Inputs:
    """The stored inputs of a subject's requests, each named by its digest and counted once.

    free: nobody needs them any more. waiting: a person is still to be asked about them. shared:
    somebody else has sent the very same.
    """

    requests: int
    free: tuple[str, ...]
    waiting: tuple[str, ...]
    shared: int

    @property
    def sentence(self) -> str:
        """What becomes of them."""
        return self._said("1 stored input is being", "stored inputs are being")

    @property
    def foretold(self) -> str:
        """What would become of them."""
        return self._said("1 stored input would be", "stored inputs would be")

    def _said(self, one: str, more: str) -> str:
        requests = "1 request" if self.requests == 1 else f"{self.requests} requests"
        inputs = one if len(self.free) == 1 else f"{len(self.free)} {more}"
        said = f"{requests}; {inputs} deleted"
        if self.waiting:
            said += (
                f"; {_stay(len(self.waiting))} until a person has answered what is asked about it"
            )
        if self.shared:
            said += f"; {_stay(self.shared)} because somebody else has sent the very same"
        return said


def _stay(inputs: int) -> str:
    return "1 stays" if inputs == 1 else f"{inputs} stay"
