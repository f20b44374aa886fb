-- Grain: one row per run, recipe, encoder and threshold.
-- Answers: how many samples would the filter semantic drop at each threshold? near counts those whose nearest kept
-- sample before them is at least so similar: at most so many would fall, fewer where they form chains. Of a run
-- that was judged, whatever reached its threshold is among them.
SELECT
    neighbour.run_id,
    sample.recipe,
    neighbour.encoder,
    each.threshold,
    count(*) AS n,
    count(*) FILTER (neighbour.cosine >= each.threshold) AS near
FROM neighbour
JOIN sample USING (sample_id)
CROSS JOIN unnest([0.80, 0.85, 0.90, 0.95]::DOUBLE[]) AS each(threshold)
WHERE neighbour.kind = 'prior'
GROUP BY ALL
