"""What storage raises, told apart by what the caller does next."""

from syncd.domain.errors import SyncdError


class StorageError(SyncdError):
    """The root of what storage raises by itself."""


class PostgresUnusable(StorageError):
    """The embedded PostgreSQL cannot run here as things are; a person has to change something first."""


class StateDirectoryInUse(StorageError):
    """Another syncd runs on this state directory; try again when it has gone."""


class TransactionOverdue(StorageError):
    """A transaction took longer than it may; its connection was closed and its outcome is unknown."""


class DatabaseNewer(StorageError):
    """The database was migrated by a newer syncd; run that one, or restore a backup from before."""


class MigrationChanged(StorageError):
    """A migration that was applied differs from the file of that number; the database may not be what is expected."""


class BadMigration(StorageError):
    """The migration files themselves are not usable: a name, a gap or a number given twice."""


class BadQueryFile(StorageError):
    """A file of named queries that cannot be read as one."""
