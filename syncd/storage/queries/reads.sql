-- What is shown to people and scripts. Every list goes on after a key, so that nobody holds a connection or a whole
-- catalogue while a slow reader reads.

-- name: conflicts_open
-- How many conflicts wait for somebody.
SELECT count(*) FROM conflicts WHERE state = 'open';

-- name: conflicts_by_kind
-- The same by kind.
SELECT kind, count(*) AS conflicts FROM conflicts WHERE state = 'open' GROUP BY kind ORDER BY kind;

-- name: letters_open
-- How many dead letters wait for somebody.
SELECT count(*) FROM dead_letters WHERE state = 'open';

-- name: listing_states
-- How many listings of each channel are in each state.
SELECT channel, state, count(*) AS listings FROM listings GROUP BY channel, state ORDER BY channel, state;

-- name: levels
-- Levels in order of SKU and location, after a key.
SELECT sku, location, on_hand, committed, unavailable, incoming
FROM levels
WHERE (sku, location) > ($1, $2) AND ($3::text IS NULL OR location = $3) AND ($4::text IS NULL OR sku LIKE $4)
ORDER BY sku, location LIMIT $5;

-- name: levels_of
-- The levels of one SKU.
SELECT sku, location, on_hand, committed, unavailable, incoming, counted_at
FROM levels WHERE sku = $1 ORDER BY location;

-- name: sku_exists
-- Is there such a SKU?
SELECT EXISTS (SELECT FROM skus WHERE sku = $1);

-- name: skus_like
-- SKUs that may have been meant: the neighbours in the alphabet, and those that differ in case only.
(SELECT sku FROM skus WHERE sku >= $1 ORDER BY sku LIMIT 100)
UNION (SELECT sku FROM skus WHERE sku < $1 ORDER BY sku DESC LIMIT 100)
UNION (SELECT sku FROM skus WHERE lower(sku) = lower($1) LIMIT 10)
UNION (SELECT sku FROM skus WHERE left($1, 3) <> '' AND starts_with(sku, left($1, 3)) LIMIT 500)
UNION (SELECT sku FROM skus WHERE length(sku) = length($1) LIMIT 500);

-- name: listings
-- Listings in order of channel, item and location, after a key.
SELECT channel, sku, remote_id, remote_location, desired, expected, observed, observed_at, state, paused,
       alias, sku_text, title, held, rejected
FROM listings
WHERE (channel, remote_id, remote_location) > ($1, $2, $3)
  AND ($4::text IS NULL OR channel = $4) AND ($5::text IS NULL OR sku = $5) AND ($6::text IS NULL OR state = $6)
ORDER BY channel, remote_id, remote_location LIMIT $7;

-- name: differing_listings
-- Listings of a channel that show something else than they should, after a key; below zero counts as zero. While a
-- reading is not judged yet, it is what they show.
SELECT channel, sku, remote_id, remote_location, desired, expected, observed, observed_at, state, title
FROM listings
WHERE channel = $1 AND (remote_id, remote_location) > ($2, $3) AND sku IS NOT NULL AND tracked
  AND greatest(CASE WHEN asked THEN coalesce(observed, expected) ELSE coalesce(expected, observed) END, 0)
      IS DISTINCT FROM greatest(desired, 0)
  AND coalesce(expected, observed) IS NOT NULL AND desired IS NOT NULL
ORDER BY remote_id, remote_location LIMIT $4;

-- name: last_writes
-- What the listings of a SKU were last sent, and last confirmed.
SELECT channel, remote_id, remote_location, w.sent, w.confirmed, (extract(epoch FROM w.sent_at) * 1000)::bigint AS sent_at,
       (extract(epoch FROM w.confirmed_at) * 1000)::bigint AS confirmed_at
FROM listing_writes w JOIN listings l USING (channel, remote_id, remote_location) WHERE l.sku = $1;

-- name: channel_listings
-- What a channel's listings come to.
SELECT count(*) AS listings, count(*) FILTER (WHERE sku IS NULL AND tracked) AS unmapped,
       count(*) FILTER (WHERE sku IS NOT NULL AND tracked AND expected IS NOT NULL) AS synchronised,
       count(*) FILTER (WHERE held <> '') AS held, count(*) FILTER (WHERE rejected <> '') AS rejected
FROM listings WHERE channel = $1;

-- name: items_named
-- Items of a channel by their full id or alias, or by the number at the end of either.
SELECT DISTINCT remote_id, alias, title, sku, (remote_id = $2 OR alias = $2) AS exact
FROM listings
WHERE channel = $1 AND (remote_id = $2 OR alias = $2 OR right(remote_id, length($2) + 1) = '/' || $2
                        OR right(alias, length($2) + 1) = '/' || $2)
ORDER BY remote_id LIMIT 20;

-- name: channel_skus
-- The SKUs that a channel lists, after one.
SELECT DISTINCT sku FROM listings WHERE channel = $1 AND sku > $2 ORDER BY sku LIMIT $3;

-- name: ledger
-- Ledger entries in their order, after a number.
SELECT seq, partition, sku, location, quantity, delta, balance, reason, channel, event_id, order_id, line_id, actor,
       recorded_at
FROM ledger WHERE (partition, seq) > ($1, $2) ORDER BY partition, seq LIMIT $3;

-- name: ledger_of
-- A SKU's ledger entries up to a moment, after a number.
SELECT seq, partition, sku, location, quantity, delta, balance, reason, channel, event_id, order_id, line_id, actor,
       recorded_at
FROM ledger
WHERE sku = $1 AND seq > $2 AND ($3::timestamptz IS NULL OR recorded_at <= $3) ORDER BY seq LIMIT $4;

-- name: ledger_of_order
-- What an order did to some SKUs.
SELECT seq, partition, sku, location, quantity, delta, balance, reason, channel, event_id, order_id, line_id, actor,
       recorded_at
FROM ledger WHERE sku = ANY ($3::text[]) AND channel = $1 AND order_id = $2 ORDER BY seq;

-- name: ledger_of_event
-- What a delivery did; reads the whole ledger, for a person who asks about one.
SELECT seq, partition, sku, location, quantity, delta, balance, reason, channel, event_id, order_id, line_id, actor,
       recorded_at
FROM ledger WHERE event_id = $1 AND channel = $2 ORDER BY seq LIMIT 1000;

-- name: orders
-- Orders by channel and id, after a key.
SELECT channel, order_id, name, placed_at, updated_at, event_id, record::text AS record
FROM orders
WHERE (channel, order_id) > ($1, $2) AND ($3::text IS NULL OR channel = $3)
ORDER BY channel, order_id LIMIT $4;

-- name: newest_orders
-- The orders placed last.
SELECT channel, order_id, name, placed_at, updated_at, event_id, record::text AS record
FROM orders WHERE $1::text IS NULL OR channel = $1 ORDER BY placed_at DESC NULLS FIRST, channel, order_id LIMIT $2;

-- name: orders_named
-- Orders by their id, the number at its end, or their name.
SELECT channel, order_id, name, placed_at, updated_at, event_id, record::text AS record
FROM orders
WHERE ($1::text IS NULL OR channel = $1)
  AND (order_id = $2 OR name = $2 OR name = '#' || $2 OR right(order_id, length($2) + 1) = '/' || $2)
ORDER BY channel, order_id LIMIT 20;

-- name: orders_without_effect
-- Orders with a line that names a SKU, or an item that channels know it by, and may move nothing: the line carries no
-- stock, has no SKU yet, or none of our locations. Reads every order.
SELECT channel, order_id, name, placed_at, updated_at, event_id, record::text AS record
FROM orders o
WHERE EXISTS (
    SELECT FROM jsonb_array_elements(o.record -> 'l') AS line
    LEFT JOIN LATERAL (
        SELECT b FROM jsonb_array_elements(o.record -> 'b') AS b WHERE b ->> 0 = line ->> 0
    ) AS bound ON true
    WHERE (line ->> 7 = $1::text OR line ->> 1 = ANY ($2::text[]) OR bound.b ->> 1 = $1::text)
      AND (line ->> 8 <> '' OR bound.b IS NULL OR o.placed_at IS NULL OR NOT EXISTS (
          SELECT FROM jsonb_array_elements(bound.b -> 4) AS place
          WHERE place ->> 0 = coalesce(line ->> 9, bound.b ->> 3)))
)
ORDER BY placed_at DESC NULLS FIRST LIMIT $3;

-- name: conflicts
-- Conflicts in order of their opening, after a number.
SELECT id, kind, state, sku, location, channel, opened_at, resolved_at, facts, subject, updated_at, history
FROM conflicts
WHERE id > $1 AND ($2 OR state = 'open') AND ($3::text IS NULL OR kind = $3) ORDER BY id LIMIT $4;

-- name: letters
-- Dead letters, after a number.
SELECT d.id, d.channel, d.what, d.reason, d.attempts, d.first_at, d.last_at, d.state, i.event_id
FROM dead_letters d LEFT JOIN inbox i ON i.writer = d.writer AND i.id = d.id
WHERE d.id > $1 AND ($2 OR d.state = 'open') AND ($3::text IS NULL OR d.channel = $3) ORDER BY d.id LIMIT $4;

-- name: letter
-- One dead letter.
SELECT d.id, d.channel, d.what, d.reason, d.attempts, d.first_at, d.last_at, d.state, i.event_id
FROM dead_letters d LEFT JOIN inbox i ON i.writer = d.writer AND i.id = d.id WHERE d.id = $1;

-- name: deliveries
-- Stored deliveries in order of arrival, after a number; marks of order readings are not among them.
SELECT i.id, i.event_id, i.channel, i.topic, i.received_at, i.id <= a.through AS applied, d.state AS letter
FROM inbox i
JOIN inbox_applied a ON a.writer = i.writer
LEFT JOIN dead_letters d ON d.writer = i.writer AND d.id = i.id
WHERE i.writer = 1 AND i.id > $1 AND i.topic <> 'syncd/orders-read'
  AND ($2::text IS NULL OR i.channel = $2) AND ($3::timestamptz IS NULL OR i.received_at >= $3)
  AND ($4::text IS NULL OR i.topic = $4)
ORDER BY i.id LIMIT $5;

-- name: newest_deliveries
-- The deliveries stored last.
SELECT i.id, i.event_id, i.channel, i.topic, i.received_at, i.id <= a.through AS applied, d.state AS letter
FROM inbox i
JOIN inbox_applied a ON a.writer = i.writer
LEFT JOIN dead_letters d ON d.writer = i.writer AND d.id = i.id
WHERE i.writer = 1 AND i.topic <> 'syncd/orders-read'
  AND ($1::text IS NULL OR i.channel = $1) AND ($2::timestamptz IS NULL OR i.received_at >= $2)
  AND ($3::text IS NULL OR i.topic = $3)
ORDER BY i.id DESC LIMIT $4;

-- name: counts_as_of
-- What was on hand at some levels at a moment: what is there now, less what moved since.
SELECT k.sku, k.location, l.sku IS NOT NULL AS known, coalesce(l.on_hand, 0) AS on_hand, l.counted_at,
       coalesce(l.on_hand, 0) - coalesce((
           SELECT sum(e.delta)::bigint FROM ledger e
           WHERE e.sku = k.sku AND e.location = k.location AND e.quantity = 'on_hand' AND e.recorded_at > $3
       ), 0) AS had
FROM unnest($1::text[], $2::text[]) AS k (sku, location) LEFT JOIN levels l USING (sku, location);

-- name: synchronised
-- How many listings of each channel are synchronised.
SELECT channel, count(*) AS listings FROM listings
WHERE sku IS NOT NULL AND tracked AND expected IS NOT NULL GROUP BY channel;
