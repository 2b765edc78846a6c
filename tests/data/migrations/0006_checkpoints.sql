INSERT INTO jobs (id, job_type, status, progress, attempt, max_attempts, priority, created_at, available_at,
    started_at, dataset_id, config, timings, transitions, last_event, lease_token, lease_expires_at)
VALUES ('0190a0a0-0000-7000-8000-000000000006', 'train', 'running', 0.5, 1, 3, 0, 1, 1, 2,
    '0190a0a0-0000-7000-8000-000000000001', '{}', '[]', '[]', 1, '0190a0a0-0000-7000-8000-000000000007', 3);
