-- name: last_id
-- The highest number this writer has given.
SELECT coalesce(max(id), 0) FROM inbox WHERE writer = $1;

-- name: persist
-- Store a batch of deliveries, numbered from $2 on; those whose key is known are left out of the answer.
INSERT INTO inbox (writer, id, channel, key, event_id, topic, headers, body, received_at)
SELECT $1, $2 + place - 1, channel, key, event_id, topic, headers, body, received_at
FROM unnest($3::text::text[], $4::text::text[], $5::text::text[], $6::text::text[], $7::text::text[], $8::bytea[],
            $9::text::timestamptz[]) WITH ORDINALITY
     AS n (channel, key, event_id, topic, headers, body, received_at, place)
ON CONFLICT (channel, key) DO NOTHING
RETURNING id;

-- name: save_cursor
-- Where a channel's order reading stands, stored with the rows it brought.
UPDATE channels SET cursor = $2::jsonb WHERE channel = $1;

-- name: after
-- What waits to be applied, in order.
SELECT id, channel, event_id, topic, headers, body, received_at
FROM inbox WHERE writer = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: by_ids
-- Some stored deliveries.
SELECT id, channel, event_id, topic, headers, body, received_at FROM inbox WHERE writer = $1 AND id = ANY ($2::bigint[]);

-- name: by_event
-- The stored deliveries with this event id.
SELECT id, channel, event_id, topic, headers, body, received_at FROM inbox WHERE event_id = $1 ORDER BY id;

-- name: waiting
-- How many deliveries wait to be applied, per channel, and since when.
SELECT i.channel, count(*) AS rows, min(i.received_at) AS oldest
FROM inbox i, inbox_applied a WHERE a.writer = 1 AND i.writer = 1 AND i.id > a.through GROUP BY i.channel;

-- name: bury
-- Set deliveries aside that could not be applied, with the reason.
INSERT INTO dead_letters AS d (id, writer, channel, what, reason, first_at, last_at)
SELECT id, 1, channel, what, reason, $5, $5
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS n (id, channel, what, reason)
ON CONFLICT (id) DO UPDATE
SET reason = excluded.reason, attempts = d.attempts + 1, last_at = excluded.last_at, state = 'open';

-- name: revive
-- Dead letters that were applied after all.
UPDATE dead_letters SET state = 'retried', last_at = $2 WHERE id = ANY ($1::bigint[]) AND state = 'open';

-- name: discard
-- Dead letters that a person gave up.
UPDATE dead_letters SET state = 'discarded', last_at = $2 WHERE id = ANY ($1::bigint[]) AND state = 'open' RETURNING id;

-- name: open_letters
-- How many dead letters are open, per channel.
SELECT channel, count(*) AS letters FROM dead_letters WHERE state = 'open' GROUP BY channel;

-- name: prune_marks
-- Forget the marks of order readings that have been applied; nothing is ever explained by one.
DELETE FROM inbox i USING inbox_applied a
WHERE a.writer = i.writer AND i.id <= a.through AND i.topic = 'syncd/orders-read' AND i.received_at < $1;
