-- What people decide beside the books: conflicts they close, letters they give up, changes that wait for their word.

-- name: close_conflict
-- A person closes a conflict, open or ignored before.
UPDATE conflicts
SET state = $2, resolved_at = $3, updated_at = $3,
    history = history || jsonb_build_array(
        jsonb_build_object('at', $3::timestamptz, 'what', $2::text, 'by', $4::text, 'how', $5::text))
WHERE id = $1 AND state IN ('open', 'ignored') RETURNING id;

-- name: open_id
-- The open conflict of a kind about a subject.
SELECT id FROM conflicts WHERE kind = $1 AND subject = $2 AND state = 'open';

-- name: open_letter_ids
-- Every dead letter that is open.
SELECT id FROM dead_letters WHERE state = 'open' AND ($1::text IS NULL OR channel = $1) ORDER BY id;
