-- Grain: one row per run, recipe, filter that compares with neighbours, and bucket of scores.
-- Answers: how alike are the texts, and how many stand close to the threshold? Bucket 0.65 holds 0.65 up to 0.70,
-- bucket 1 what is equal; it is null where nothing was near enough to be compared. Scores of two filters are not
-- of one unit.
SELECT
    sample.run_id,
    sample.recipe,
    verdict.filter,
    floor(verdict.score * 20) / 20 AS bucket,
    count(*) AS n,
    count(*) FILTER (verdict.keep) AS kept,
    count(*) FILTER (NOT verdict.keep) AS dropped,
    max(verdict.threshold) AS threshold
FROM verdict
JOIN sample USING (sample_id)
WHERE verdict.filter IN ('rouge', 'minhash', 'semantic') AND verdict.witness_id IS DISTINCT FROM verdict.sample_id
GROUP BY ALL
