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
        said = f"{self.requests} requests; {len(self.free)} stored inputs are being deleted"
        if self.waiting:
            said += (
                f"; {len(self.waiting)} stay until a person has answered what is asked about them,"
                " and go then"
            )
        if self.shared:
            said += f"; {self.shared} stay because somebody else has sent the very same"
        return said
