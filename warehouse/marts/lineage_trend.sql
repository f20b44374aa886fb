-- Grain: one row per run, lineage and metric.
-- Answers: what are the statistics of all that is kept of a recipe, and what did each run change? A lineage is a
-- recipe, or several joined by +, with all that earlier runs keep; a first run has none. previous is the last known
-- value of the same lineage, metric, version and encoder.
WITH measured AS (
    SELECT
        metric.run_id,
        run.finished_at,
        run.edition,
        metric.scope_id AS lineage,
        metric.metric,
        metric.value,
        metric.n,
        metric.low,
        metric.high,
        metric.version,
        metric.encoder
    FROM metric
    JOIN run USING (run_id)
    WHERE metric.scope = 'lineage'
),
compared AS (
    SELECT
        *,
        lag(value IGNORE NULLS) OVER (
            PARTITION BY lineage, metric, version, encoder ORDER BY finished_at, run_id
        ) AS previous
    FROM measured
)
SELECT *, value - previous AS change
FROM compared
