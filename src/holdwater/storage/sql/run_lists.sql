-- Parts of the statements that list, count and group runs (see `fragments`).
--
-- A scan reads (at, id) of runs from one range of one index, in the order of that index.  A list merges its scans, which
-- needs no sort, takes the first so many, and looks at the rows of these.

-- part scan_top_level_by_status
SELECT created_at AS at, id
FROM runs
WHERE parent_id IS NULL AND status = :status AND {bounds}

-- part scan_children_by_status
SELECT created_at AS at, id
FROM runs
WHERE parent_id IS NOT NULL AND status = :status AND {bounds}

-- part scan_top_level_by_workflow
SELECT created_at AS at, id
FROM runs
WHERE parent_id IS NULL AND workflow = :workflow AND status = :status AND {bounds}

-- part scan_children_by_workflow
SELECT created_at AS at, id
FROM runs
WHERE parent_id IS NOT NULL AND workflow = :workflow AND status = :status AND {bounds}

-- part scan_by_parent
SELECT created_at AS at, id
FROM runs
WHERE parent_id = :parent_id AND {bounds}

-- part scan_by_end
SELECT finished_at AS at, id
FROM runs
WHERE parent_id IS NULL AND finished_at IS NOT NULL AND {end_bounds}

-- part scan_by_label
SELECT created_at AS at, run_id AS id
FROM run_labels
WHERE key = :key AND value = :value AND is_child = :is_child AND {label_bounds}

-- part bounds
(created_at, id) > (:lower_at, :lower_id) AND (created_at, id) < (:upper_at, :upper_id)

-- part end_bounds
(finished_at, id) > (:lower_at, :lower_id) AND (finished_at, id) < (:upper_at, :upper_id)

-- part label_bounds
(created_at, run_id) > (:lower_at, :lower_id) AND (created_at, run_id) < (:upper_at, :upper_id)

-- part union
UNION ALL

-- part and
AND

-- part or
OR

-- part any_of
({conditions})

-- part newest_first
at DESC, id DESC

-- part oldest_first
at, id

-- part candidates_newest_first
candidate.at DESC, candidate.id DESC

-- part candidates_oldest_first
candidate.at, candidate.id

-- part has_status
runs.status = :status

-- part has_release
runs.release = :release

-- part has_origin
runs.origin = :origin

-- part has_label
EXISTS (SELECT 1 FROM run_labels WHERE run_labels.run_id = runs.id AND key = :key AND value = :value)

-- part has_label_key
EXISTS (SELECT 1 FROM run_labels WHERE run_labels.run_id = runs.id AND key = :key)

-- part ended_between
runs.finished_at >= :since AND runs.finished_at < :until

-- part born_between
runs.created_at >= :since AND runs.created_at < :until

-- part list
SELECT
    runs.id, runs.workflow, runs.style, runs.structure, runs.code, runs.created_at, runs.status, runs.seq, runs.error,
    runs.reason, runs.finished_at, runs.paused_at, runs.deadline_at, runs.idempotency_key, runs.inputs_digest,
    runs.parent_id, runs.forked_from, runs.origin, runs.started_by, runs.labels_json, runs.traceparent,
    runs.release
FROM (
    {scans}
    ORDER BY {order}
    LIMIT :limit OFFSET :offset
) AS candidate
{runs_of_candidates}
ORDER BY {candidate_order}

-- part search
WITH candidate AS (
    {scans}
    ORDER BY {order}
    LIMIT :scan_limit
), found AS (
    SELECT
        candidate.at AS at,
        runs.id, runs.workflow, runs.style, runs.structure, runs.code, runs.created_at, runs.status, runs.seq, runs.error,
        runs.reason, runs.finished_at, runs.paused_at, runs.deadline_at, runs.idempotency_key, runs.inputs_digest,
        runs.parent_id, runs.forked_from, runs.origin, runs.started_by, runs.labels_json, runs.traceparent,
        runs.release
    FROM candidate
    {runs_of_candidates}
    WHERE {conditions}
    ORDER BY {candidate_order}
    LIMIT :limit
)
SELECT scanned.row_count, scanned.at, scanned.id, found.*
FROM ({last_candidate}) AS scanned
LEFT JOIN found ON 1 = 1

-- part last_newest_first
SELECT COUNT(*) AS row_count, MIN(at) AS at, (SELECT MIN(id) FROM candidate WHERE at = (SELECT MIN(at) FROM candidate)) AS id
FROM candidate

-- part last_oldest_first
SELECT COUNT(*) AS row_count, MAX(at) AS at, (SELECT MAX(id) FROM candidate WHERE at = (SELECT MAX(at) FROM candidate)) AS id
FROM candidate

-- part count_scan
SELECT COUNT(*) AS row_count, :scan_number AS scan_number
FROM ({scan} LIMIT :limit) AS candidate

-- part count_search
WITH candidate AS (
    {scans}
    ORDER BY {order}
    LIMIT :scan_limit
)
SELECT runs.status, COUNT(*)
FROM candidate
{runs_of_candidates}
WHERE {conditions}
GROUP BY runs.status
UNION ALL
SELECT '', COUNT(*)
FROM candidate

-- part histogram
SELECT :scan_number AS scan_number, (at - :since) / :bucket AS bucket, COUNT(*) AS row_count
FROM ({scan} ORDER BY {order} LIMIT :scan_limit) AS candidate
GROUP BY 2

-- part histogram_search
WITH candidate AS (
    {scans}
    ORDER BY {order}
    LIMIT :scan_limit
)
SELECT runs.status, (candidate.at - :since) / :bucket AS bucket, COUNT(*)
FROM candidate
{runs_of_candidates}
WHERE {conditions}
GROUP BY 1, 2
UNION ALL
SELECT '', MIN(at), COUNT(*)
FROM candidate

-- part always
1 = 1
