UPDATE models SET dossier_sha256 = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
INSERT INTO model_thresholds (model_id, sequence, set_at, set_by, threshold, details)
VALUES ('0190a0a0-0000-7000-8000-000000000003', 1, 1, NULL, 0.5, '{}'),
    ('0190a0a0-0000-7000-8000-000000000003', 2, 2, 'anyone', 0.25, '{}');
