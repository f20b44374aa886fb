-- Grain: one row per dropped final sample and verdict that dropped it: its own, or one on what it grew from.
-- Answers: what was dropped, by which filter, why, and what does it repeat? Where a sample fell with what it grew
-- from, judged_id and judged_text are those of that ancestor, and score and witness speak of it.
WITH RECURSIVE fallen AS (
    SELECT sample_id, sample_id AS judged_id, filter FROM verdict WHERE NOT keep
    UNION
    SELECT child.sample_id, fallen.judged_id, fallen.filter
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
)
SELECT
    sample.run_id,
    sample.recipe,
    sample.sample_id,
    fallen.filter,
    verdict.score,
    verdict.threshold,
    verdict.reason,
    sample.text,
    fallen.judged_id,
    judged.level AS judged_level,
    judged.text AS judged_text,
    verdict.witness_id,
    witness.text AS witness_text
FROM fallen
JOIN sample USING (sample_id)
JOIN verdict ON verdict.sample_id = fallen.judged_id AND verdict.filter = fallen.filter
LEFT JOIN sample AS judged ON judged.sample_id = fallen.judged_id
LEFT JOIN sample AS witness ON witness.sample_id = verdict.witness_id
WHERE sample.final
