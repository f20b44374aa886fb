-- Grain: one row per run, recipe and opener: the first three words of a kept final sample, in lower case.
-- Answers: how formulaic do texts begin, and with which words? share is of the kept texts that have three words;
-- words as in tasks/tokens.py, looked for in the first 200 characters.
WITH RECURSIVE fallen AS (
    SELECT sample_id FROM verdict WHERE NOT keep
    UNION
    SELECT child.sample_id
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
),
spaced AS (
    SELECT
        run_id,
        recipe,
        regexp_replace(lower(left(text, 200)), '([\p{Han}\p{Hiragana}\p{Katakana}])', ' \1 ', 'g') AS beginning
    FROM sample
    ANTI JOIN fallen USING (sample_id)
    WHERE final
),
opened AS (
    SELECT run_id, recipe, regexp_extract_all(beginning, '[\p{L}\p{N}\p{M}]+')[:3] AS words
    FROM spaced
),
counted AS (
    SELECT run_id, recipe, array_to_string(words, ' ') AS opener, count(*) AS n
    FROM opened
    WHERE len(words) = 3
    GROUP BY ALL
)
SELECT *, n / sum(n) OVER (PARTITION BY run_id, recipe) AS share
FROM counted
