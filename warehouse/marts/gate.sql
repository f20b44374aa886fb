-- Grain: one row per release and gate.
-- Answers: why did a release pass or not? outcome is passed, failed or unknown; only a gate that blocks holds a
-- release back, and one whose value is unknown does not pass.
SELECT
    release.release_id,
    release.name,
    release.edition,
    run.finished_at,
    each.gate.name AS gate,
    CASE each.gate.passed WHEN true THEN 'passed' WHEN false THEN 'failed' ELSE 'unknown' END AS outcome,
    each.gate.value AS value,
    each.gate.threshold AS threshold,
    each.gate.blocks AS blocks,
    each.gate.rule AS rule
FROM release
JOIN run USING (run_id)
CROSS JOIN unnest(release.gates) AS each(gate)
