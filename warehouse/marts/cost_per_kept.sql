-- Grain: one row per run and recipe that asked a model or made final samples.
-- Answers: what did a kept sample cost? usd is what the run paid: replayed calls are free, failed ones have no price.
-- One price that is unknown makes usd and usd_per_kept null; unpriced counts those.
WITH RECURSIVE fallen AS (
    SELECT sample_id FROM verdict WHERE NOT keep
    UNION
    SELECT child.sample_id
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
),
made AS (
    SELECT
        run_id,
        recipe,
        count(*) AS made,
        count(*) FILTER (sample_id NOT IN (SELECT sample_id FROM fallen)) AS kept
    FROM sample
    WHERE final
    GROUP BY ALL
),
asked AS (
    SELECT
        run_id,
        recipe,
        count(*) AS calls,
        count(*) FILTER (replayed) AS replayed,
        count(*) FILTER (reply IS NULL) AS failed,
        sum(attempts) FILTER (NOT replayed) AS attempts,
        sum(n_prompt_tokens) FILTER (NOT replayed) AS prompt_tokens,
        sum(n_completion_tokens) FILTER (NOT replayed) AS completion_tokens,
        count(*) FILTER (NOT replayed AND reply IS NOT NULL AND cost_usd IS NULL) AS unpriced,
        sum(cost_usd) FILTER (NOT replayed) AS known_usd
    FROM call
    GROUP BY ALL
),
paid AS (
    SELECT
        run_id,
        recipe,
        coalesce(made.made, 0) AS made,
        coalesce(made.kept, 0) AS kept,
        coalesce(asked.calls, 0) AS calls,
        coalesce(asked.replayed, 0) AS replayed,
        coalesce(asked.failed, 0) AS failed,
        coalesce(asked.attempts, 0)::BIGINT AS attempts,
        coalesce(asked.prompt_tokens, 0)::BIGINT AS prompt_tokens,
        coalesce(asked.completion_tokens, 0)::BIGINT AS completion_tokens,
        coalesce(asked.unpriced, 0) AS unpriced,
        CASE WHEN coalesce(asked.unpriced, 0) = 0 THEN coalesce(asked.known_usd, 0) END AS usd
    FROM made
    FULL JOIN asked USING (run_id, recipe)
)
SELECT *, usd / nullif(kept, 0) AS usd_per_kept, calls / nullif(kept, 0) AS calls_per_kept
FROM paid
