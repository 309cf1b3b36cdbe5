"""Whose a job is that has files or inboxes of its own: that of the store that was first."""

from __future__ import annotations

from engine.errors import BoundElsewhere, CommitAborted, CommitUnknown
from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.forms import JobRecord, Stamp
from engine.log import get_logger
from engine.state.commits import Commit, Fence

log = get_logger(__name__)


def read_job(changelog: Changelog, identity: str) -> JobRecord | None:
    """Return what a job keeps beside its tasks.

    Parameters
    ----------
    changelog : Changelog
        The job's.
    identity : str
        The store's that asks.

    Raises
    ------
    BoundElsewhere
        The job is bound to another store.
    """
    job = changelog.read_job()
    if job is not None and job.home and job.home != identity:
        raise BoundElsewhere(changelog.topic, job.home, identity)
    return job


def claim(connection: Connection, changelog: Changelog, job: JobRecord, stamp: Stamp) -> None:
    """Write down that a job is bound to a store, before anything depends on it.

    All who would have it write under one name, and so shut out those before: who was shut out looks again whose it is.

    Parameters
    ----------
    connection : Connection
        The brokers.
    changelog : Changelog
        The job's.
    job : JobRecord
        What is written.
    stamp : Stamp
        By what it is known again.

    Raises
    ------
    BoundElsewhere
        Another store was faster.
    """
    from engine.kafka.transaction import Transaction

    written = changelog.records(Commit(job.fence or Fence(0, "", "")), [], stamp, job=job)
    while True:
        transaction = Transaction(connection, f"{changelog.topic}-claim")
        transaction.init()
        try:
            found = read_job(changelog, job.home)
            if found is None or (found.home, found.life) != (job.home, job.life):
                transaction.write(changelog.topic, written)
                transaction.commit({})
        except (CommitAborted, CommitUnknown) as exc:
            log.warning("job.claim.again", topic=changelog.topic, reason=exc.reason)
        else:
            return
        finally:
            transaction.close()
