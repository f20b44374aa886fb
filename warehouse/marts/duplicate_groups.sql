-- Grain: one row per sample that dropped samples repeat, directly or through one of them.
-- Answers: which texts come again and again? repeats counts the samples that were dropped for this one, members
-- lists them with filter and score, the most similar first.
WITH RECURSIVE edge AS (
    SELECT sample_id, witness_id, filter, score
    FROM verdict
    WHERE NOT keep AND witness_id <> sample_id
),
followed AS (
    SELECT sample_id, witness_id FROM edge
    UNION
    SELECT followed.sample_id, edge.witness_id
    FROM followed
    JOIN edge ON edge.sample_id = followed.witness_id
),
led AS (
    SELECT followed.sample_id, followed.witness_id AS first_id
    FROM followed
    ANTI JOIN edge ON edge.sample_id = followed.witness_id
),
own AS (
    SELECT led.first_id, led.sample_id, min(edge.filter) AS filter, max(edge.score) AS score
    FROM led
    JOIN edge USING (sample_id)
    GROUP BY ALL
),
grouped AS (
    SELECT
        first_id,
        count(*) AS repeats,
        min(score) AS least_score,
        list({sample_id: sample_id, filter: filter, score: score} ORDER BY score DESC, sample_id) AS members
    FROM own
    GROUP BY ALL
)
SELECT
    grouped.first_id AS sample_id,
    sample.run_id,
    sample.recipe,
    sample.level,
    grouped.repeats,
    grouped.least_score,
    sample.text,
    grouped.members
FROM grouped
LEFT JOIN sample ON sample.sample_id = grouped.first_id
