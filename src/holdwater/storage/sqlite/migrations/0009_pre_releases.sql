-- release of the package a run is pinned to: the first 16 hex digits of its archive's SHA-256; NULL: code of a runner's own
-- process.  work.workflow is the name of the workflow, and for a run of a release NAME@RELEASE.
ALTER TABLE runs ADD COLUMN release TEXT;

-- unfinished runs of a release, which keep it from being removed
CREATE INDEX runs_open_by_release ON runs (release) WHERE release IS NOT NULL AND finished_at IS NULL;

-- versions of packages.  state: registering, active, inactive, broken, draining or gone.  workflows: JSON array of names.
-- descriptor: JSON, what it holds; NULL until it has been described.  pinned: 1 if it was made active by a request.
-- version_number: counts writes
CREATE TABLE releases (
    release TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    workflows TEXT NOT NULL,
    descriptor TEXT,
    pinned INTEGER NOT NULL,
    error TEXT,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    source TEXT NOT NULL,
    registered_by TEXT NOT NULL,
    signed_by TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    version_number INTEGER NOT NULL
);

CREATE UNIQUE INDEX releases_by_version ON releases (package, version);

-- archives of releases that are kept in the database
CREATE TABLE release_archives (
    release TEXT PRIMARY KEY,
    data BLOB NOT NULL
);

-- public keys whose signatures of archives are accepted.  public_key: 32 bytes of ed25519, in base64
CREATE TABLE trusted_keys (
    fingerprint TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) WITHOUT ROWID;
