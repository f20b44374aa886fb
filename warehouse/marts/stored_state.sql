-- Grain: one row per run and recipe that stored what the statistics of its lineage are made from.
-- Answers: does what a run stored still hold? kept_then is what it was made of, kept_now what is clean today: where
-- they differ, or other samples are kept, the next run reads that run again and holds is false.
WITH RECURSIVE fallen AS (
    SELECT sample_id FROM verdict WHERE NOT keep
    UNION
    SELECT child.sample_id
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
),
stored AS (
    SELECT
        run_id,
        recipe,
        max(n) FILTER (item = 'n') AS kept_then,
        max(n) FILTER (item LIKE 'fingerprint/%') AS fingerprint
    FROM tally
    WHERE statistic = 'texts'
    GROUP BY ALL
),
now AS (
    SELECT
        run_id,
        recipe,
        count(*) AS kept_now,
        sum(('0x' || left(sha256(sample_id), 8))::BIGINT)::BIGINT AS fingerprint
    FROM sample
    ANTI JOIN fallen USING (sample_id)
    WHERE final
    GROUP BY ALL
),
vectors AS (
    SELECT run_id, recipe, sum(n)::BIGINT AS with_vector FROM moment GROUP BY ALL
)
SELECT
    stored.run_id,
    stored.recipe,
    stored.kept_then,
    coalesce(now.kept_now, 0) AS kept_now,
    coalesce(vectors.with_vector, 0) AS with_vector,
    stored.kept_then = coalesce(now.kept_now, 0) AND stored.fingerprint = coalesce(now.fingerprint, 0) AS holds
FROM stored
LEFT JOIN now USING (run_id, recipe)
LEFT JOIN vectors USING (run_id, recipe)
