-- The books: what arrived, what it did to stock, and what each channel shows.
-- Every table of the stock side carries its partition from the first day, though there is one.

-- What arrived, as it arrived. Each raw writer numbers its own rows, so that id order is commit order.
CREATE TABLE inbox (
    writer      smallint    NOT NULL,
    id          bigint      NOT NULL,
    channel     text        NOT NULL,
    key         text        NOT NULL,
    event_id    text        NOT NULL,
    topic       text        NOT NULL,
    headers     text        NOT NULL DEFAULT '{}',
    body        bytea       NOT NULL,   -- zlib, level 1
    received_at timestamptz NOT NULL,
    PRIMARY KEY (writer, id)
);
ALTER TABLE inbox ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX inbox_key ON inbox (channel, key);
CREATE INDEX inbox_event ON inbox (event_id);
CREATE INDEX inbox_received ON inbox (received_at);

-- Up to where each writer's rows have been applied; rows that could not be are set aside.
CREATE TABLE inbox_applied (
    writer  smallint PRIMARY KEY,
    through bigint   NOT NULL
) WITH (fillfactor = 50);
INSERT INTO inbox_applied VALUES (1, 0);

CREATE TABLE dead_letters (
    id        bigint      PRIMARY KEY,   -- of the inbox row
    writer    smallint    NOT NULL,
    channel   text        NOT NULL,
    what      text        NOT NULL,
    reason    text        NOT NULL,
    attempts  integer     NOT NULL DEFAULT 1,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    state     text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retried', 'discarded'))
);
CREATE INDEX dead_letters_open ON dead_letters (channel) WHERE state = 'open';

CREATE TABLE skus (
    partition  smallint    NOT NULL DEFAULT 0,
    sku        text        PRIMARY KEY CHECK (sku <> ''),
    created_at timestamptz NOT NULL
);

CREATE TABLE levels (
    partition   smallint NOT NULL DEFAULT 0,
    sku         text     NOT NULL,
    location    text     NOT NULL,
    on_hand     bigint   NOT NULL DEFAULT 0,
    committed   bigint   NOT NULL DEFAULT 0,
    unavailable bigint   NOT NULL DEFAULT 0,
    incoming    bigint   NOT NULL DEFAULT 0,
    counted_at  bigint,                      -- ms since the epoch: as-of of the last physical count
    PRIMARY KEY (sku, location)
) WITH (fillfactor = 50);

-- Append only: a level is never changed but through here.
CREATE TABLE ledger (
    seq         bigint      NOT NULL,
    partition   smallint    NOT NULL DEFAULT 0,
    sku         text        NOT NULL,
    location    text        NOT NULL,
    quantity    text        NOT NULL CHECK (quantity IN ('on_hand', 'committed', 'unavailable', 'incoming')),
    delta       bigint      NOT NULL CHECK (delta <> 0),
    balance     bigint      NOT NULL,
    reason      text        NOT NULL CHECK (reason <> ''),
    channel     text,
    event_id    text,
    order_id    text,
    line_id     text,
    actor       text        NOT NULL CHECK (actor <> ''),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (partition, seq)
);
CREATE INDEX ledger_sku ON ledger (sku, seq);

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the ledger is append only'; END $$;
CREATE TRIGGER ledger_keeps BEFORE UPDATE OR DELETE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

CREATE TABLE orders (
    partition  smallint NOT NULL DEFAULT 0,
    channel    text     NOT NULL,
    order_id   text     NOT NULL,
    name       text     NOT NULL,
    placed_at  bigint,                       -- ms, the channel's clock; null while only parts are known
    updated_at bigint   NOT NULL,
    unbound    boolean  NOT NULL,            -- has a line whose SKU is not known yet
    event_id   text     NOT NULL,            -- the delivery that last changed it
    record     jsonb    NOT NULL,
    PRIMARY KEY (channel, order_id)
) WITH (fillfactor = 80);
CREATE INDEX orders_unbound ON orders (channel) WHERE unbound;

-- Which order lines hold units now: who competes when there are too few.
CREATE TABLE commitments (
    channel   text   NOT NULL,
    order_id  text   NOT NULL,
    line_id   text   NOT NULL,
    location  text   NOT NULL,
    sku       text   NOT NULL,
    units     bigint NOT NULL CHECK (units <> 0),
    placed_at bigint NOT NULL,
    PRIMARY KEY (channel, order_id, line_id, location)
);
CREATE INDEX commitments_sku ON commitments (sku, placed_at);

-- Orders that a hint or a hole asks to be read from the channel.
CREATE TABLE wanted_orders (
    channel  text        NOT NULL,
    order_id text        NOT NULL,
    since    timestamptz NOT NULL,
    attempts integer     NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, order_id)
);

-- One SKU as one channel knows it, at one of its locations; `account` is domain/listings.py's value.
CREATE TABLE listings (
    partition       smallint NOT NULL DEFAULT 0,
    channel         text     NOT NULL,
    remote_id       text     NOT NULL,
    remote_location text     NOT NULL,
    alias           text,
    sku_text        text     NOT NULL DEFAULT '',
    title           text     NOT NULL DEFAULT '',
    tracked         boolean  NOT NULL DEFAULT true,
    active          boolean  NOT NULL DEFAULT true,
    sku             text,
    linked_by       text,
    paused          boolean  NOT NULL DEFAULT false,
    held            text     NOT NULL DEFAULT '',   -- why a person is asked first
    rejected        text     NOT NULL DEFAULT '',   -- why the channel refused the last write
    drifting        boolean  NOT NULL DEFAULT false,
    asked           boolean  NOT NULL DEFAULT false, -- a question or a reading is open
    account         text     NOT NULL,
    desired         bigint,
    expected        bigint,
    state           text     NOT NULL,
    observed        bigint,
    observed_at     bigint,                          -- ms, the channel's clock
    write_id        bigint,
    PRIMARY KEY (channel, remote_id, remote_location)
) WITH (fillfactor = 50);
CREATE INDEX listings_sku ON listings (sku);
CREATE INDEX listings_alias ON listings (channel, alias);
CREATE INDEX listings_unlinked ON listings (sku_text) WHERE sku IS NULL;

-- What was sent and has no final outcome yet, with the key and the very rows, so that it can be sent again unchanged.
CREATE TABLE writes (
    id         bigint      PRIMARY KEY,
    channel    text        NOT NULL,
    key        text        NOT NULL UNIQUE,
    rows       jsonb       NOT NULL,
    begun_at   timestamptz NOT NULL,
    in_doubt   boolean     NOT NULL DEFAULT false
);
CREATE INDEX writes_channel ON writes (channel);

-- What each listing was last sent, and last confirmed: for people who ask why.
CREATE TABLE listing_writes (
    channel         text        NOT NULL,
    remote_id       text        NOT NULL,
    remote_location text        NOT NULL,
    sent            bigint      NOT NULL,
    sent_at         timestamptz NOT NULL,
    confirmed       bigint,
    confirmed_at    timestamptz,
    PRIMARY KEY (channel, remote_id, remote_location)
) WITH (fillfactor = 50);

-- Policy by SKU; channel '' means every channel.
CREATE TABLE policies (
    channel  text  NOT NULL,
    sku      text  NOT NULL,
    override jsonb NOT NULL,
    PRIMARY KEY (sku, channel)
);

CREATE TABLE channels (
    channel         text        PRIMARY KEY,
    kind            text        NOT NULL,
    first_synced_at timestamptz,                    -- a person confirmed the first synchronisation
    paused          boolean     NOT NULL DEFAULT false,
    frozen          boolean     NOT NULL DEFAULT false,
    blocked         boolean     NOT NULL DEFAULT false,
    facts           jsonb,                          -- who answered when last connected
    cursor          jsonb,
    owner_epoch     bigint      NOT NULL DEFAULT 0
);

CREATE TABLE conflicts (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text        NOT NULL,
    subject     text        NOT NULL,
    state       text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'ignored')),
    sku         text,
    location    text,
    channel     text,
    facts       jsonb       NOT NULL,
    history     jsonb       NOT NULL DEFAULT '[]',
    opened_at   timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    resolved_at timestamptz
);
CREATE UNIQUE INDEX conflicts_open ON conflicts (kind, subject) WHERE state = 'open';
CREATE INDEX conflicts_state ON conflicts (state, id);

-- A change too large to be believed, kept until a person applies or discards it.
CREATE TABLE held_changes (
    subject     text        PRIMARY KEY,
    source      text        NOT NULL,
    actor       text        NOT NULL,
    as_of       bigint      NOT NULL,
    rows        jsonb       NOT NULL,
    held_at     timestamptz NOT NULL
);

CREATE TABLE audit (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    actor  text        NOT NULL,
    action text        NOT NULL,
    target text        NOT NULL,
    reason text        NOT NULL DEFAULT '',
    detail jsonb       NOT NULL DEFAULT '{}'
);
