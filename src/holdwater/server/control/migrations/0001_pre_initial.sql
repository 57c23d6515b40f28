-- Instants are microseconds since 1970, digests SHA-256.

CREATE TABLE served_tenants (
    name TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    require_signatures BOOLEAN,  -- null: as the server
    state TEXT NOT NULL,  -- creating, active, removing
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,  -- read, write, admin
    tenant TEXT,  -- null: the tenant public, or with is_god all
    is_god BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,  -- to the minute
    revoked_at BIGINT,
    revoked_by TEXT,
    replaces TEXT  -- id of the key it was made of by a rotation
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, created_at, id);

CREATE TABLE sessions (
    digest BYTEA PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    is_read_only BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX sessions_of_key ON sessions (key_id);
CREATE INDEX sessions_by_use ON sessions (used_at);

CREATE TABLE tickets (
    digest BYTEA PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);

CREATE TABLE audit (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    by TEXT NOT NULL,  -- key:ID, or who could not be identified
    tenant TEXT,  -- null: the server
    verb TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,  -- asked, done, refused, failed
    code TEXT NOT NULL DEFAULT '',  -- of the error
    request_id TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX audit_of_tenant ON audit (tenant, number);
CREATE INDEX audit_by_age ON audit (at);

CREATE TABLE replicas (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    version TEXT NOT NULL,
    address TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    state TEXT NOT NULL,  -- serving, draining
    awake TEXT NOT NULL DEFAULT '[]'  -- names of tenants, JSON
);

CREATE TABLE idempotency (
    key_id TEXT NOT NULL,
    key BYTEA NOT NULL,  -- digest of what the caller chose
    request BYTEA NOT NULL,  -- digest of method, path and body
    status INTEGER,  -- of the response; null while the request is under way
    response BYTEA,  -- encrypted with the key of the caller
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
