-- Grain: one row per release, with its newest checkpoint when it has one.
-- Answers: which releases are there, did they pass, and what did training on them gain? control_of names the
-- release whose random control a row is: both have the same held-out rows, so the gains can be compared.
WITH losses AS (
    SELECT
        scope_id AS checkpoint_id,
        max(value) FILTER (metric = 'heldout_loss_before') AS heldout_loss_before,
        max(value) FILTER (metric = 'heldout_loss_after') AS heldout_loss_after
    FROM metric
    WHERE scope = 'checkpoint'
    GROUP BY scope_id
),
newest AS (
    SELECT checkpoint.*
    FROM checkpoint
    JOIN run USING (run_id)
    WHERE checkpoint.method <> 'logistic_regression'  -- of the flow `classifier`: no language model
    QUALIFY row_number() OVER (PARTITION BY release_id ORDER BY run.finished_at DESC, checkpoint_id) = 1
)
SELECT
    release.release_id,
    release.name,
    release.edition,
    run.finished_at,
    release.passed,
    list_transform(list_filter(release.gates, lambda g: g.blocks AND g.passed IS DISTINCT FROM true), lambda g: g.name)
        AS failed_gates,
    release.n_train,
    release.n_heldout,
    release.model,
    release.control_of,
    newest.checkpoint_id,
    newest.base_model,
    losses.heldout_loss_before,
    losses.heldout_loss_after,
    losses.heldout_loss_before - losses.heldout_loss_after AS gain_nats,
    release.path,
    newest.path AS checkpoint_path
FROM release
JOIN run USING (run_id)
LEFT JOIN newest USING (release_id)
LEFT JOIN losses USING (checkpoint_id)
