-- Grain: one row per sample that no filter dropped and that grew from none that was dropped.
-- Answers: what may be trained on?
WITH RECURSIVE rejected AS (
    SELECT sample_id FROM verdict WHERE NOT keep
),
fallen AS (
    SELECT sample_id FROM rejected
    UNION
    SELECT child.sample_id
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
)
SELECT sample.*
FROM sample
ANTI JOIN fallen USING (sample_id)
