-- Grain: one row per run, recipe and metric.
-- Answers: is a recipe becoming more or less diverse? previous is the last known value of the same recipe, metric,
-- version and encoder, usual the median of the eight runs before; values of two versions or encoders never meet.
-- headline marks the statistics to look at first; writer tells a change of the model from a drift of the recipe.
WITH written AS (
    SELECT DISTINCT run_id, recipe, coalesce(model, 'unknown') AS model
    FROM sample
    WHERE final
),
wrote AS (
    SELECT run_id, recipe, string_agg(model, '+' ORDER BY model) AS writer
    FROM written
    GROUP BY ALL
),
measured AS (
    SELECT
        metric.run_id,
        run.finished_at,
        run.edition,
        metric.scope_id AS recipe,
        wrote.writer,
        metric.metric,
        metric.metric IN (
            'kept_share', 'vs2_unbiased', 'effective_clusters', 'cluster_js', 'rouge_nn_share', 'nn_cosine_share',
            'nn_cosine_median', 'novelty_median', 'seed_echo', 'opener_top10_share', 'repeated_4gram_share',
            'rarefied_bigrams', 'mean_words', 'slot_hit_rate', 'pair_coverage', 'label_min_share', 'keep_rate_gap',
            'leak_records', 'valid_share', 'quality_median', 'usd_per_kept'
        ) AS headline,
        metric.value,
        metric.n,
        metric.low,
        metric.high,
        metric.version,
        metric.encoder
    FROM metric
    JOIN run USING (run_id)
    LEFT JOIN wrote ON wrote.run_id = metric.run_id AND wrote.recipe = metric.scope_id
    WHERE metric.scope = 'recipe'
),
compared AS (
    SELECT
        *,
        lag(value IGNORE NULLS) OVER (
            PARTITION BY recipe, metric, version, encoder ORDER BY finished_at, run_id
        ) AS previous,
        median(value) OVER (
            PARTITION BY recipe, metric, version, encoder ORDER BY finished_at, run_id
            ROWS BETWEEN 8 PRECEDING AND 1 PRECEDING
        ) AS usual
    FROM measured
)
SELECT *, value - previous AS change
FROM compared
