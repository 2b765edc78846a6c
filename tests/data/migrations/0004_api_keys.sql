INSERT INTO model_names (name, last_version) VALUES ('old', 1);
INSERT INTO models (id, name, version, created_at, job_id, dataset_id, sha256, size_bytes, threshold, verdict, details,
    report)
VALUES ('0190a0a0-0000-7000-8000-000000000003', 'old', 1, 1, '0190a0a0-0000-7000-8000-000000000002',
    '0190a0a0-0000-7000-8000-000000000001', '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 1, 0.5, 'ok',
    '{}', '{}');
