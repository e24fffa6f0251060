-- name: open
-- Open conflicts, or update the one that is open already for the same kind and subject. Each drift is told as a step
-- from the last one; what a person decides on is the whole way since the conflict opened.
INSERT INTO conflicts AS c (kind, subject, sku, location, channel, facts, opened_at, updated_at)
SELECT kind, subject, sku, location, channel, facts::jsonb, $7, $7
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
     AS n (kind, subject, sku, location, channel, facts)
ON CONFLICT (kind, subject) WHERE state = 'open' DO UPDATE
SET facts = CASE WHEN c.kind = 'drift' THEN excluded.facts || jsonb_build_object(
        'difference', coalesce((c.facts->>'difference')::bigint, 0) + (excluded.facts->>'difference')::bigint,
        'expected', (excluded.facts->>'expected')::bigint - coalesce((c.facts->>'difference')::bigint, 0))
    ELSE excluded.facts END, sku = excluded.sku, location = excluded.location, updated_at = excluded.updated_at;

-- name: resolve
-- Close what no longer holds.
UPDATE conflicts c
SET state = 'resolved', resolved_at = $4::timestamptz, updated_at = $4::timestamptz,
    history = c.history || jsonb_build_array(jsonb_build_object('at', $4::timestamptz, 'what', 'resolved', 'by', 'syncd', 'how', n.how))
FROM unnest($1::text[], $2::text[], $3::text[]) AS n (kind, subject, how)
WHERE c.kind = n.kind AND c.subject = n.subject AND c.state = 'open';

-- name: close
-- A person closes one conflict.
UPDATE conflicts
SET state = $2, resolved_at = $3, updated_at = $3,
    history = history || jsonb_build_array(jsonb_build_object('at', $3::timestamptz, 'what', $2::text, 'by', $4::text, 'how', $5::text))
WHERE id = $1 AND state = 'open' RETURNING id;

-- name: competing
-- Which order lines hold units of some SKUs, the first placed first.
SELECT sku, location, channel, order_id, line_id, units, placed_at FROM (
    SELECT c.*, row_number() OVER (PARTITION BY sku ORDER BY placed_at DESC, order_id DESC) AS n
    FROM commitments c WHERE sku = ANY ($1::text[])
) latest WHERE n <= 500 ORDER BY sku, placed_at, order_id, line_id;

-- name: open_quarantined
-- What waits for the same line to be told better.
SELECT subject FROM conflicts WHERE kind = 'quarantined' AND state = 'open';

-- name: by_id
-- One conflict.
SELECT * FROM conflicts WHERE id = $1;

-- name: listed
-- Conflicts, open ones or all.
SELECT * FROM conflicts WHERE $1 OR state = 'open' ORDER BY id;

-- name: hold_change
-- Keep a change that is too large to be believed.
INSERT INTO held_changes (subject, source, actor, as_of, rows, held_at, channel, as_of_latest, documents)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9::jsonb)
ON CONFLICT (subject) DO UPDATE
SET source = excluded.source, actor = excluded.actor, as_of = excluded.as_of, rows = excluded.rows,
    held_at = excluded.held_at, channel = excluded.channel, as_of_latest = excluded.as_of_latest,
    documents = excluded.documents;

-- name: held_change
-- The kept change.
SELECT * FROM held_changes WHERE subject = $1;

-- name: drop_change
-- The change was applied or discarded.
DELETE FROM held_changes WHERE subject = $1;
