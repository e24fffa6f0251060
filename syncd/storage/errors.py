"""What storage raises, told apart by what the caller does next."""

from syncd.domain.errors import SyncdError


class StorageError(SyncdError):
    """The root of what storage raises by itself."""


class PostgresUnusable(StorageError):
    """The embedded PostgreSQL cannot run here as things are; a person has to change something first."""


class StateDirectoryInUse(StorageError):
    """Another syncd runs on this state directory; try again when it has gone."""
