-- Authorities that book by themselves: where their books and ours stand, their documents, their snapshots in parts.

-- name: standings
-- Where the books of some SKUs stand.
SELECT sku, location, record FROM standings WHERE sku = ANY ($1::text[]);

-- name: save_standings
-- Where they stand now.
INSERT INTO standings (sku, location, counted_to, asked, record)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[])
ON CONFLICT (sku, location) DO UPDATE
SET counted_to = excluded.counted_to, asked = excluded.asked, record = excluded.record;

-- name: promises
-- Which order lines hold units of some SKUs, with the names of their orders.
SELECT c.channel, c.order_id, c.line_id, c.location, c.sku, c.units, o.name
FROM commitments c JOIN orders o USING (channel, order_id) WHERE c.sku = ANY ($1::text[]);

-- name: known_documents
-- Which of some documents have been entered, and where.
SELECT d.channel, d.number, d.sku, d.location
FROM unnest($1::text[], $2::text[]) AS k (channel, number) JOIN authority_documents d USING (channel, number);

-- name: enter_documents
-- These have been entered.
INSERT INTO authority_documents (channel, number, sku, location, entered_at)
SELECT channel, number, sku, location, $5
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS n (channel, number, sku, location)
ON CONFLICT DO NOTHING;

-- name: add_parts
-- Parts of snapshots that have arrived.
INSERT INTO snapshot_parts (channel, name, part, inbox_id, last)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::boolean[])
ON CONFLICT (channel, name, part) DO UPDATE SET inbox_id = excluded.inbox_id, last = excluded.last;

-- name: whole_snapshots
-- Snapshots of which every part is here, in the order in which they were completed.
SELECT channel, name FROM snapshot_parts
GROUP BY channel, name HAVING count(*) = max(part) FILTER (WHERE last) ORDER BY max(inbox_id);

-- name: parts
-- The stored deliveries of a snapshot.
SELECT i.id, i.channel, i.event_id, i.topic, i.headers, i.body, i.received_at
FROM snapshot_parts p JOIN inbox i ON i.writer = $1 AND i.id = p.inbox_id
WHERE p.channel = $2 AND p.name = $3 ORDER BY p.part;

-- name: end_snapshot
-- The snapshot has been judged.
DELETE FROM snapshot_parts WHERE channel = $1 AND name = $2;

-- name: linked_items
-- Which SKUs some items of a channel are.
SELECT DISTINCT remote_id, sku FROM listings WHERE channel = $1 AND remote_id = ANY ($2::text[]) AND sku IS NOT NULL;

-- name: counted_before
-- SKUs that the authority of a location has counted and that are not at zero, after one.
SELECT s.sku FROM standings s JOIN levels l USING (sku, location)
WHERE s.location = $1 AND s.counted_to IS NOT NULL AND l.on_hand <> 0 AND s.sku > $2 ORDER BY s.sku LIMIT $3;

-- name: forget_parts
-- Parts of snapshots that never became whole.
DELETE FROM snapshot_parts p USING inbox i WHERE i.writer = $1 AND i.id = p.inbox_id AND i.received_at < $2
  AND NOT EXISTS (SELECT FROM snapshot_parts l WHERE l.channel = p.channel AND l.name = p.name AND l.last);
