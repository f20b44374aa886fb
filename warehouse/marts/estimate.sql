-- Grain: one row per run that was estimated and quantity.
-- Answers: how far off was the estimate? taken is what the calls of the run took; off_by 0.1: a tenth more than said.
WITH said AS (
    SELECT run_id, replace(metric, 'estimated_', '') AS quantity, value AS estimated, low, high, n
    FROM metric
    WHERE scope = 'run' AND starts_with(metric, 'estimated_')
),
hours AS (
    SELECT run_id, value AS hours FROM metric WHERE scope = 'run' AND metric = 'hours'
),
sums AS (
    SELECT
        run_id,
        count(*)::DOUBLE AS requests,
        sum(n_prompt_tokens)::DOUBLE AS prompt_tokens,
        sum(n_completion_tokens)::DOUBLE AS completion_tokens,
        CASE WHEN bool_and(cost_usd IS NOT NULL OR reply IS NULL) THEN coalesce(sum(cost_usd), 0) END AS cost_usd,
        any_value(hours) AS hours
    FROM call
    LEFT JOIN hours USING (run_id)
    GROUP BY run_id
),
took AS (
    SELECT run_id, quantity, taken
    FROM sums
    UNPIVOT INCLUDE NULLS (taken FOR quantity IN (requests, prompt_tokens, completion_tokens, cost_usd, hours))
)
SELECT
    run_id,
    quantity,
    estimated,
    low,
    high,
    taken,
    taken / nullif(estimated, 0) - 1 AS off_by,
    taken BETWEEN low AND high AS within,
    n AS probed
FROM said
LEFT JOIN took USING (run_id, quantity)
