"""Errors, one class for each thing the caller does next."""


class SyncdError(Exception):
    """The message is written for the operator: what happened, to what, and what to do."""


class Retry(SyncdError):
    """Nothing happened and the same call may be made again."""

    def __init__(self, message: str, *, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class Throttled(Retry):
    """The channel refused the call for its rate; nothing was executed."""


class OutcomeUnknown(SyncdError):
    """The call may or may not have taken effect; it is settled, never blindly repeated."""


class AuthFailed(SyncdError):
    """The channel no longer accepts who we are; a person has to act."""


class Rejected(SyncdError):
    """The channel refused this for its content; repeating it will not help."""


class Refused(SyncdError):
    """A delivery that cannot be used; it is kept with this reason."""


class BadSignature(SyncdError):
    """A delivery that is not from the channel; nothing of it is kept."""


class Unverifiable(SyncdError):
    """A delivery that lacks what its verification needs."""


class InvalidChange(SyncdError):
    """A person asked for something the rules do not allow; nothing was changed."""


class NotFound(InvalidChange):
    """The thing named does not exist."""


class InvariantBroken(SyncdError):
    """The books contradict themselves; the daemon stops rather than go on."""
