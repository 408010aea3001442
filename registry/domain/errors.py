"""Errors for people: what was wrong, with which value, and what to do next."""


class StagegateError(Exception):
    """Something went wrong; run `stagegate doctor`."""

    status = 500
    title = "Internal error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class Invalid(StagegateError):
    """What was sent does not have the expected shape."""

    status = 422
    title = "Invalid input"


class InvalidField(Invalid):
    """One field of a request does not have the expected shape."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.errors = [{"field": field, "expected": expected}]


class NotFound(StagegateError):
    """There is no such thing here."""

    status = 404
    title = "Not found"


class Conflict(StagegateError):
    """Somebody else changed this first; look at it again and retry."""

    status = 409
    title = "Conflict"


class StageConflict(Conflict):
    """The version is not in a stage that allows this."""

    title = "Stage conflict"


class GatesNotPassed(Conflict):
    """The gates do not all pass."""

    title = "Gates not passed"

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Forbidden(StagegateError):
    """You may not do this."""

    status = 403
    title = "Forbidden"


class Unauthenticated(StagegateError):
    """Log in first: on the page /login, or with a key in STAGEGATE_API_KEY or the header
    `Authorization: Bearer sgk_...`."""

    status = 401
    title = "Not logged in"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join(str(type(self).__doc__).split()))


class TooManyAttempts(StagegateError):
    """Too many attempts to log in; wait a while."""

    status = 429
    title = "Too many attempts"

    def __init__(self, message: str | None = None, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Held(StagegateError):
    """A person has to answer first; ask again later.

    Said only where a protocol has no word for it: nothing went wrong.
    """

    status = 202
    title = "Held for a person"


class TooLarge(StagegateError):
    """The body is larger than this service accepts."""

    status = 413
    title = "Too large"


class TooSlow(StagegateError):
    """The body did not come in time."""

    status = 408
    title = "Too slow"


class UnsupportedInput(StagegateError):
    """The body is not of a type that this model reads."""

    status = 415
    title = "Unsupported input"


class Unavailable(StagegateError):
    """The service cannot answer just now; try again shortly."""

    status = 503
    title = "Unavailable"
