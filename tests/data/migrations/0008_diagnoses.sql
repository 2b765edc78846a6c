INSERT INTO jobs (id, job_type, status, phase, progress, attempt, max_attempts, priority, created_at, available_at,
    started_at, finished_at, dataset_id, retry_of, result_sha256, result_details, config, timings, transitions, last_event)
VALUES ('0190a0a0-0000-7000-8000-000000000009', 'evaluate', 'succeeded', 'storing', 1, 1, 3, 0, 1, 1, 2, 3,
    '0190a0a0-0000-7000-8000-000000000001', '0190a0a0-0000-7000-8000-000000000008',
    '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', '{}', '{}', '[]', '[]', 1);
