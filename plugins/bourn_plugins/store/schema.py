"""The tables of the SQLite store, and the pragmas its connections run with.

Rows are written once: what a job is when submitted stands in `job`, its end in `done`, so that nothing on
the hot path rewrites a row or moves one within its tree. `active` holds the ids of the jobs in between.
"""

from __future__ import annotations

from bourn.hookspecs.store import (
    EVENTLOG,
    EXEC_EVENTLOG,
    INPUT,
    OUTPUT,
    RESOURCE_SET,
    SIGNED_JOBSPEC,
    ArrayRow,
    JobDone,
    JobRecord,
    NewJob,
)

APPLICATION_ID = 0x424F5552  # "BOUR"
SCHEMA_VERSION = 3
DB_NAME = "bourn.sqlite"
# Half of the usual: a small commit writes a page or more of each table it touches.
PAGE_SIZE = 2048

LOG_NAMES = (EVENTLOG, EXEC_EVENTLOG, OUTPUT, INPUT, RESOURCE_SET, SIGNED_JOBSPEC)

# NewJob's spec_hash, spec_json and environment become the id of a row in `spec`.
JOB_COLUMNS = (
    *("id", "userid", "urgency", "flags", "t_submit", "spec"),
    *NewJob._fields[NewJob._fields.index("overrides") : -1],
)
DONE_COLUMNS = JobDone._fields
_OF_SPEC = {"spec_hash": "spec.hash", "spec_json": "spec.data"}
ARRAY_COLUMNS = (*(c for c in ArrayRow._fields[:-1] if c not in _OF_SPEC), "spec")
ARRAY_UPDATABLE = frozenset({"urgency", "ending", "t_inactive"})
UPDATABLE = frozenset({"urgency", "flags", "name", "queue", "cwd", "project", "bank", "ntasks", "duration"})

_DONE_TWIN = {"urgency"}  # in both tables; the final word is in `done`
RECORD_SQL = ", ".join(
    f"{'done' if c in _DONE_TWIN or c not in JOB_COLUMNS else 'job'}.{c}" for c in JobRecord._fields
)
# The last two columns are the row's `environment`, null for a jobspec that holds its own or has none.
_ENVIRONMENT = "environment.hash, environment.data"
_JOIN_ENVIRONMENT = "LEFT JOIN environment ON environment.id = spec.environment"
NEWJOB_SQL = (
    "SELECT job.id, userid, urgency, flags, t_submit, spec.hash, spec.data, "
    + ", ".join(JOB_COLUMNS[6:])
    + f", {_ENVIRONMENT} FROM job JOIN spec ON spec.id = job.spec {_JOIN_ENVIRONMENT}"
)
ARRAY_SQL = (
    f"SELECT {', '.join(_OF_SPEC.get(c, f'array.{c}') for c in ArrayRow._fields[:-1])}, {_ENVIRONMENT}"
    f" FROM array JOIN spec ON spec.id = array.spec {_JOIN_ENVIRONMENT}"
)
JOBSPEC_SQL = (
    "SELECT spec.data, overrides, environment.data FROM job JOIN spec ON spec.id = job.spec"
    f" {_JOIN_ENVIRONMENT} WHERE job.id = ?"
)

ARRAY_DDL = """
CREATE TABLE array (
    id INTEGER PRIMARY KEY, last INTEGER NOT NULL, userid INTEGER NOT NULL, urgency INTEGER NOT NULL,
    flags INTEGER NOT NULL, t_submit REAL NOT NULL, spec INTEGER NOT NULL, members TEXT NOT NULL,
    idem_key TEXT, name TEXT, queue TEXT, ntasks INTEGER, duration REAL NOT NULL, signed TEXT, ending TEXT,
    t_inactive REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX array_key ON array (userid, idem_key) WHERE idem_key IS NOT NULL;
"""

ENVIRONMENT_DDL = """
CREATE TABLE environment (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, data BLOB NOT NULL) STRICT;
CREATE INDEX spec_environment ON spec (environment) WHERE environment IS NOT NULL;
"""
RETRIES_DDL = "retries INTEGER NOT NULL DEFAULT 0"

DDL = f"""{ARRAY_DDL}
CREATE TABLE spec (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, data BLOB NOT NULL, environment INTEGER
) STRICT;
{ENVIRONMENT_DDL}CREATE TABLE job (
    id INTEGER PRIMARY KEY, userid INTEGER NOT NULL, urgency INTEGER NOT NULL, flags INTEGER NOT NULL,
    t_submit REAL NOT NULL, spec INTEGER NOT NULL, overrides TEXT, idem_key TEXT, name TEXT, queue TEXT,
    cwd TEXT, project TEXT, bank TEXT, ntasks INTEGER, duration REAL NOT NULL
) STRICT;
CREATE INDEX job_spec ON job (spec);
CREATE UNIQUE INDEX job_key ON job (userid, idem_key) WHERE idem_key IS NOT NULL;
CREATE TABLE active (id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE done (
    id INTEGER PRIMARY KEY, result INTEGER NOT NULL, t_inactive REAL NOT NULL, t_depend REAL NOT NULL,
    t_run REAL NOT NULL, t_cleanup REAL NOT NULL, waitstatus INTEGER, urgency INTEGER NOT NULL,
    priority INTEGER NOT NULL, nnodes INTEGER, ncores INTEGER, ranks TEXT, nodelist TEXT,
    expiration REAL NOT NULL, exception_type TEXT, exception_severity INTEGER, exception_note TEXT,
    annotations TEXT, {RETRIES_DDL}
) STRICT;
CREATE INDEX done_time ON done (t_inactive);
CREATE TABLE logname (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE log (
    seq INTEGER PRIMARY KEY, jobid INTEGER NOT NULL, name INTEGER NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE INDEX log_job ON log (jobid);
CREATE TABLE resource (seq INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE kvs_namespace (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, owner INTEGER NOT NULL, flags INTEGER NOT NULL,
    version INTEGER NOT NULL, oldest INTEGER NOT NULL
) STRICT;
CREATE TABLE kvs (
    ns INTEGER NOT NULL, dir TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
    kind INTEGER NOT NULL, value ANY, PRIMARY KEY (ns, dir, name, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE kvs_old (
    ns INTEGER NOT NULL, since INTEGER NOT NULL, dir TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, PRIMARY KEY (ns, since, dir, name, version)
) STRICT, WITHOUT ROWID;
"""

TABLES = (
    "environment",
    "spec",
    "array",
    "job",
    "active",
    "done",
    "logname",
    "log",
    "resource",
    "meta",
    "kvs_namespace",
    "kvs",
    "kvs_old",
)
