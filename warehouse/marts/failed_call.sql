-- Grain: one row per run and call of which nothing usable came back.
-- Answers: what did not come back, and why? A reply that came back but was cut (finish_reason length) is no failed
-- call: the filter format judges it.
SELECT
    run.finished_at,
    call.run_id,
    call.request_id,
    call.recipe,
    call.level,
    call.provider,
    call.model,
    coalesce(call.error, 'unknown') AS error,
    call.attempts,
    call.latency_s,
    call.messages,
    call.sampling,
    call.reply
FROM call
JOIN run USING (run_id)
WHERE call.error IS NOT NULL OR call.reply IS NULL
