INSERT INTO api_keys (id, name, scopes, secret_sha256, created_at)
VALUES ('0190a0a0-0000-7000-8000-000000000004', 'old', '["read"]',
    '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 1);
