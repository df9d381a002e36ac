-- The tables of a store. Times are nanoseconds since 1970; a layer's id is one byte of kind and 32 of digest.
-- `boot` is the boot of the machine in which the files behind the row were written, until they are known to have
-- reached the disk; then it is NULL.

CREATE TABLE layers (
    id BLOB PRIMARY KEY,
    diff_id BLOB,
    tar_size INTEGER,
    size INTEGER NOT NULL,
    disk_size INTEGER NOT NULL,
    newest_secs INTEGER NOT NULL,
    newest_nanos INTEGER NOT NULL,
    tree BLOB NOT NULL, -- blake3 of the tree file
    boot TEXT,
    committed INTEGER NOT NULL,
    used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX layers_not_durable ON layers (committed) WHERE boot IS NOT NULL;
CREATE INDEX layers_by_diff_id ON layers (diff_id) WHERE diff_id IS NOT NULL;

CREATE TABLE blobs (
    digest BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    boot TEXT,
    committed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX blobs_not_durable ON blobs (committed) WHERE boot IS NOT NULL;

-- The blobs that are a layer's tar, compressed in some way; here or elsewhere.
CREATE TABLE layer_blobs (
    diff_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (diff_id, digest)
) WITHOUT ROWID;

-- The repositories that have a blob.
CREATE TABLE blob_origins (
    digest BLOB NOT NULL,
    registry TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, registry, repository)
) WITHOUT ROWID;

CREATE TABLE records (
    key BLOB NOT NULL UNIQUE,
    step BLOB NOT NULL,
    layers BLOB NOT NULL,
    manifest BLOB NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    took INTEGER -- nanoseconds
);
CREATE INDEX records_by_step ON records (step, created);

CREATE TABLE images (
    id BLOB PRIMARY KEY,
    manifest BLOB,
    layers BLOB NOT NULL,
    created INTEGER NOT NULL,
    size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX images_by_manifest ON images (manifest) WHERE manifest IS NOT NULL;

CREATE TABLE names (
    reference TEXT PRIMARY KEY,
    image BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX names_by_image ON names (image);

-- What the names of a registry came to when they were last asked for.
CREATE TABLE resolutions (
    reference TEXT NOT NULL,
    platform TEXT NOT NULL,
    manifest BLOB NOT NULL,
    image BLOB,
    resolved INTEGER NOT NULL,
    PRIMARY KEY (reference, platform)
) WITHOUT ROWID;
