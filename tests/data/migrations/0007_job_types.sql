INSERT INTO jobs (id, job_type, status, phase, progress, attempt, max_attempts, priority, created_at, available_at,
    started_at, finished_at, dataset_id, model_id, config, timings, transitions, last_event)
VALUES ('0190a0a0-0000-7000-8000-000000000008', 'train', 'succeeded', 'storing', 1, 1, 3, 0, 1, 1, 2, 3,
    '0190a0a0-0000-7000-8000-000000000001', '0190a0a0-0000-7000-8000-000000000003', '{}', '[]', '[]', 2);
INSERT INTO job_events (job_id, sequence, kind, at, data)
VALUES ('0190a0a0-0000-7000-8000-000000000008', 1, 'status', 1, '{"status":"queued","attempt":0}'),
    ('0190a0a0-0000-7000-8000-000000000008', 2, 'progress', 1, '{"progress":0.5}');
INSERT INTO job_epochs (job_id, epoch, log) VALUES ('0190a0a0-0000-7000-8000-000000000008', 1, '{}');
