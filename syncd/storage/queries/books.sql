-- name: load_orders
-- The records of some orders, by channel and order id.
SELECT o.channel, o.order_id, o.name, o.placed_at, o.updated_at, o.event_id, o.record::text AS record
FROM unnest($1::text[], $2::text[]) AS k (channel, order_id)
JOIN orders o USING (channel, order_id);

-- name: load_listings
-- Every listing of the SKUs that some items (by alias or remote id) or SKUs name, and those items' own listings.
WITH named AS (
    SELECT l.channel, l.remote_id, l.remote_location, l.sku
    FROM unnest($1::text[], $2::text[]) AS k (channel, alias) JOIN listings l USING (channel, alias)
    UNION
    SELECT l.channel, l.remote_id, l.remote_location, l.sku
    FROM unnest($3::text[], $4::text[]) AS k (channel, remote_id) JOIN listings l USING (channel, remote_id)
), touched AS (
    SELECT sku FROM named WHERE sku IS NOT NULL UNION SELECT unnest($5::text[])
)
SELECT l.* FROM touched t JOIN listings l USING (sku)
UNION ALL
SELECT l.* FROM named n JOIN listings l USING (channel, remote_id, remote_location) WHERE l.sku IS NULL;

-- name: load_levels
-- The levels of some SKUs at every location.
SELECT sku, location, on_hand, committed, unavailable, incoming, counted_at FROM levels WHERE sku = ANY ($1::text[]);

-- name: load_policies
-- What is said for some SKUs, for one channel or ('') for all.
SELECT channel, sku, override FROM policies WHERE sku = ANY ($1::text[]);

-- name: known_skus
-- Which of these SKUs exist.
SELECT sku FROM skus WHERE sku = ANY ($1::text[]);

-- name: unlinked_named
-- Listings without a SKU whose text on the channel is one of these.
SELECT channel, remote_id FROM listings WHERE sku IS NULL AND sku_text = ANY ($1::text[]);

-- name: unbound_orders
-- Orders of a channel with lines whose SKU was not known.
SELECT order_id FROM orders WHERE channel = $1 AND unbound;

-- name: last_numbers
-- Where the ledger, the writes and the applied mark stand.
SELECT (SELECT coalesce(max(seq), 0) FROM ledger WHERE partition = 0) AS seq,
       (SELECT coalesce(max(id), 0) FROM writes) AS write_id,
       (SELECT through FROM inbox_applied WHERE writer = 1) AS through,
       EXISTS (SELECT FROM policies) AS policies;

-- name: commit_group
-- What a group of changes did to the books, in one statement. Lists come as array literals.
WITH entered AS (
    INSERT INTO ledger (seq, sku, location, quantity, delta, balance, reason, channel, event_id, order_id, line_id,
                        actor, recorded_at)
    SELECT seq, sku, location, quantity, delta, balance, reason, channel, event_id, order_id, line_id, actor, $1
    FROM unnest($2::text::bigint[], $3::text::text[], $4::text::text[], $5::text::text[], $6::text::bigint[],
                $7::text::bigint[], $8::text::text[], $9::text::text[], $10::text::text[], $11::text::text[],
                $12::text::text[], $13::text::text[])
         AS e (seq, sku, location, quantity, delta, balance, reason, channel, event_id, order_id, line_id, actor)
), levelled AS (
    INSERT INTO levels AS l (sku, location, on_hand, committed, unavailable, incoming, counted_at)
    SELECT * FROM unnest($14::text::text[], $15::text::text[], $16::text::bigint[], $17::text::bigint[],
                         $18::text::bigint[], $19::text::bigint[], $20::text::bigint[])
    ON CONFLICT (sku, location) DO UPDATE
    SET on_hand = excluded.on_hand, committed = excluded.committed, unavailable = excluded.unavailable,
        incoming = excluded.incoming, counted_at = excluded.counted_at
), ordered AS (
    INSERT INTO orders AS o (channel, order_id, name, placed_at, updated_at, unbound, event_id, record)
    SELECT channel, order_id, name, placed_at, updated_at, unbound, event_id, record::jsonb
    FROM unnest($21::text::text[], $22::text::text[], $23::text::text[], $24::text::bigint[], $25::text::bigint[],
                $26::text::boolean[], $27::text::text[], $28::text::text[])
         AS n (channel, order_id, name, placed_at, updated_at, unbound, event_id, record)
    ON CONFLICT (channel, order_id) DO UPDATE
    SET name = excluded.name, placed_at = excluded.placed_at, updated_at = excluded.updated_at,
        unbound = excluded.unbound, event_id = excluded.event_id, record = excluded.record
), held AS (
    INSERT INTO commitments AS c (channel, order_id, line_id, location, sku, units, placed_at)
    SELECT * FROM unnest($29::text::text[], $30::text::text[], $31::text::text[], $32::text::text[],
                         $33::text::text[], $34::text::bigint[], $35::text::bigint[])
    ON CONFLICT (channel, order_id, line_id, location) DO UPDATE
    SET sku = excluded.sku, units = excluded.units, placed_at = excluded.placed_at
), listed AS (
    INSERT INTO listings AS l (channel, remote_id, remote_location, alias, sku_text, title, tracked, active, sku,
                               linked_by, paused, held, rejected, drifting, asked, account, desired, expected, state,
                               observed, observed_at, write_id)
    SELECT * FROM unnest($36::text::text[], $37::text::text[], $38::text::text[], $39::text::text[],
                         $40::text::text[], $41::text::text[], $42::text::boolean[], $43::text::boolean[],
                         $44::text::text[], $45::text::text[], $46::text::boolean[], $47::text::text[],
                         $48::text::text[], $49::text::boolean[], $50::text::boolean[], $51::text::text[],
                         $52::text::bigint[], $53::text::bigint[], $54::text::text[], $55::text::bigint[],
                         $56::text::bigint[], $57::text::bigint[])
    ON CONFLICT (channel, remote_id, remote_location) DO UPDATE
    SET alias = excluded.alias, sku_text = excluded.sku_text, title = excluded.title, tracked = excluded.tracked,
        active = excluded.active, sku = excluded.sku, linked_by = excluded.linked_by, paused = excluded.paused,
        held = excluded.held, rejected = excluded.rejected, drifting = excluded.drifting, asked = excluded.asked,
        account = excluded.account, desired = excluded.desired, expected = excluded.expected, state = excluded.state,
        observed = excluded.observed, observed_at = excluded.observed_at, write_id = excluded.write_id
)
UPDATE inbox_applied SET through = $58 WHERE writer = 1 AND through < $58;

-- name: create_skus
-- SKUs that are new.
INSERT INTO skus (sku, created_at) SELECT sku, $1 FROM unnest($2::text[]) AS s (sku) ON CONFLICT DO NOTHING;

-- name: release_commitments
-- Order lines that hold units somewhere no longer.
DELETE FROM commitments c USING unnest($1::text[], $2::text[], $3::text[], $4::text[])
     AS h (channel, order_id, line_id, location)
WHERE c.channel = h.channel AND c.order_id = h.order_id AND c.line_id = h.line_id AND c.location = h.location;

-- name: want_orders
-- Orders to be read from their channel.
INSERT INTO wanted_orders (channel, order_id, since)
SELECT channel, order_id, $1 FROM unnest($2::text[], $3::text[]) AS w (channel, order_id) ON CONFLICT DO NOTHING;

-- name: released_wanted
-- Orders that have been read from the channel since they were wanted.
DELETE FROM wanted_orders w USING unnest($1::text[], $2::text[]) AS k (channel, order_id)
WHERE w.channel = k.channel AND w.order_id = k.order_id;

-- name: save_policies
-- What is said for some SKUs.
INSERT INTO policies (channel, sku, override) SELECT channel, sku, override::jsonb
FROM unnest($1::text[], $2::text[], $3::text[]) AS p (channel, sku, override)
ON CONFLICT (sku, channel) DO UPDATE SET override = excluded.override;

-- name: audit
-- Who changed what.
INSERT INTO audit (at, actor, action, target, reason) VALUES ($1, $2, $3, $4, $5);

-- name: begin_write
-- A write call is about to be sent.
INSERT INTO writes (id, channel, key, rows, begun_at) VALUES ($1, $2, $3, $4, $5);

-- name: remember_sent
-- What some listings were sent.
INSERT INTO listing_writes (channel, remote_id, remote_location, sent, sent_at)
SELECT channel, remote_id, remote_location, sent, $1
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS n (channel, remote_id, remote_location, sent)
ON CONFLICT (channel, remote_id, remote_location) DO UPDATE SET sent = excluded.sent, sent_at = excluded.sent_at;

-- name: remember_confirmed
-- What the channel confirmed of some listings.
UPDATE listing_writes w SET confirmed = n.confirmed, confirmed_at = $1
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS n (channel, remote_id, remote_location, confirmed)
WHERE w.channel = n.channel AND w.remote_id = n.remote_id AND w.remote_location = n.remote_location;

-- name: doubt_writes
-- No answer came.
UPDATE writes SET in_doubt = true WHERE id = ANY ($1::bigint[]);

-- name: end_writes
-- These have their final outcome.
DELETE FROM writes WHERE id = ANY ($1::bigint[]);

-- name: open_writes
-- Calls of a channel without a final outcome.
SELECT id, channel, key, rows, in_doubt FROM writes WHERE channel = $1 ORDER BY id;

-- name: channel_rows
-- What is remembered of every channel.
SELECT * FROM channels;

-- name: save_channel
-- What is remembered of one channel; its cursor is stored with the rows it belongs to.
INSERT INTO channels AS c (channel, kind, first_synced_at, paused, frozen, blocked, facts)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (channel) DO UPDATE
SET kind = excluded.kind, first_synced_at = excluded.first_synced_at, paused = excluded.paused,
    frozen = excluded.frozen, blocked = excluded.blocked, facts = excluded.facts;

-- name: open_listings
-- The listings of a channel that owe a write or have a question open.
SELECT * FROM listings WHERE channel = $1 AND (state = 'owed' OR asked);

-- name: listings_after
-- The next linked listings of a channel in order of their keys, and what they are expected to show.
SELECT remote_id, remote_location, expected, asked FROM listings
WHERE channel = $1 AND (remote_id, remote_location) > ($2, $3) AND sku IS NOT NULL AND tracked
ORDER BY remote_id, remote_location LIMIT $4;

-- name: wanted
-- Orders of a channel that are still to be read.
SELECT order_id FROM wanted_orders WHERE channel = $1;

-- name: link_candidates
-- Items without a SKU whose text names one SKU of ours and no other item of the channel.
SELECT l.sku_text AS sku, min(l.remote_id) AS remote_id
FROM listings l JOIN skus s ON s.sku = l.sku_text
WHERE l.channel = $1 AND l.tracked
GROUP BY l.sku_text
HAVING count(DISTINCT l.remote_id) = 1 AND bool_and(l.sku IS NULL AND l.linked_by IS DISTINCT FROM 'nobody')
   AND NOT EXISTS (SELECT FROM listings o WHERE o.channel = $1 AND o.sku = l.sku_text);

-- name: unlinked_items
-- Items of a channel without a SKU, and how many items go by the same text.
SELECT l.remote_id, l.sku_text, s.sku IS NOT NULL AS exists,
       (SELECT count(DISTINCT o.remote_id) FROM listings o WHERE o.channel = $1 AND o.sku_text = l.sku_text) AS alike
FROM listings l LEFT JOIN skus s ON s.sku = l.sku_text
WHERE l.channel = $1 AND l.sku IS NULL AND l.tracked AND l.linked_by IS DISTINCT FROM 'nobody'
GROUP BY l.remote_id, l.sku_text, s.sku;

-- name: skus_after
-- The next SKUs in order of their names.
SELECT sku FROM skus WHERE sku > $1 ORDER BY sku LIMIT $2;
