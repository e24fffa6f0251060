-- Systems whose count of a location is believed, and which book by themselves, late, what leaves it.

-- How our books and the authority's stand to each other, per level; `record` is domain/authority.py's value.
CREATE TABLE standings (
    partition  smallint NOT NULL DEFAULT 0,
    sku        text     NOT NULL,
    location   text     NOT NULL,
    counted_to bigint,                     -- ms, the authority's clock: as-of of its last count
    asked      bigint   NOT NULL DEFAULT 0,
    record     text     NOT NULL,
    PRIMARY KEY (sku, location)
) WITH (fillfactor = 50);
CREATE INDEX standings_location ON standings (location, sku) WHERE counted_to IS NOT NULL;

-- Each document of an authority counts once.
CREATE TABLE authority_documents (
    channel    text        NOT NULL,
    number     text        NOT NULL,
    sku        text        NOT NULL,
    location   text        NOT NULL,
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (channel, number, sku, location)
);

-- Stored deliveries that are parts of a snapshot which is judged as a whole, once its last part is here.
CREATE TABLE snapshot_parts (
    channel  text     NOT NULL,
    name     text     NOT NULL,
    part     integer  NOT NULL CHECK (part > 0),
    inbox_id bigint   NOT NULL,
    last     boolean  NOT NULL,
    PRIMARY KEY (channel, name, part)
);

-- A held change may be an authority's snapshot: whose, as of when at the latest, and with which documents.
ALTER TABLE held_changes ADD COLUMN channel text, ADD COLUMN as_of_latest bigint, ADD COLUMN documents jsonb;
