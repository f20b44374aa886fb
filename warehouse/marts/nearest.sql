-- Grain: one row per sample and encoder that the filter semantic compared.
-- Answers: how near was the nearest kept sample when this one came (prior, never changed), and how near is the
-- nearest by now (all)? prior is null for the first sample of a warehouse, all for a sample that was dropped. A
-- neighbour that was withdrawn with its run no longer counts for all, while prior stays as it was found.
WITH present AS (
    SELECT
        neighbour.*,
        (neighbour.neighbour_id IN (SELECT sample_id FROM sample)) AS is_there
    FROM neighbour
)
SELECT
    sample_id,
    encoder,
    max(cosine) FILTER (kind = 'prior') AS nn_cos_prior,
    first(neighbour_id ORDER BY cosine DESC, neighbour_id) FILTER (kind = 'prior') AS prior_id,
    max(cosine) FILTER (kind = 'all' AND is_there) AS nn_cos_all,
    first(neighbour_id ORDER BY cosine DESC, neighbour_id) FILTER (kind = 'all' AND is_there) AS all_id
FROM present
GROUP BY sample_id, encoder
