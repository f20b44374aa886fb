-- Grain: one row per run, file and reason.
-- Answers: which rows of somebody's files could not be read, and why? The example is the beginning of the first.
SELECT
    run.finished_at,
    reject.run_id,
    run.name,
    reject.origin,
    reject.reason,
    count(*) AS n,
    min(reject.line) AS first_line,
    arg_min(reject.content, reject.line) AS example
FROM reject
JOIN run USING (run_id)
GROUP BY ALL
