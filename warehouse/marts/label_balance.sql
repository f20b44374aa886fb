-- Grain: one row per run, recipe and label that final samples were asked for (slot label, for classifiers).
-- Answers: are the labels balanced, and do the filters skew them? share_made and share_kept are of the run and
-- recipe, kept_share is of the label.
WITH RECURSIVE fallen AS (
    SELECT sample_id FROM verdict WHERE NOT keep
    UNION
    SELECT child.sample_id
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
),
labelled AS (
    SELECT run_id, recipe, sample_id, json_extract_string(slots, '$.label') AS label
    FROM sample
    WHERE final AND json_type(slots, '$.label') = 'VARCHAR'
),
counted AS (
    SELECT
        run_id,
        recipe,
        label,
        count(*) AS made,
        count(*) FILTER (sample_id NOT IN (SELECT sample_id FROM fallen)) AS kept
    FROM labelled
    GROUP BY ALL
)
SELECT
    *,
    made / sum(made) OVER (PARTITION BY run_id, recipe) AS share_made,
    kept / nullif(sum(kept) OVER (PARTITION BY run_id, recipe), 0) AS share_kept,
    kept / made AS kept_share
FROM counted
