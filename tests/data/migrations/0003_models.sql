INSERT INTO jobs (id, job_type, status, progress, attempt, max_attempts, priority, created_at, available_at,
    finished_at, cancel_requested_at, dataset_id, config, timings, transitions, last_event)
VALUES ('0190a0a0-0000-7000-8000-000000000002', 'train', 'cancelled', 0, 0, 3, 0, 1, 1, 2, 2,
    '0190a0a0-0000-7000-8000-000000000001', '{}', '[]', '[]', 1);
INSERT INTO job_events (job_id, sequence, kind, at, data)
VALUES ('0190a0a0-0000-7000-8000-000000000002', 1, 'status', 1, '{"status":"queued","attempt":0}');
INSERT INTO job_epochs (job_id, epoch, log) VALUES ('0190a0a0-0000-7000-8000-000000000002', 1, '{}');
