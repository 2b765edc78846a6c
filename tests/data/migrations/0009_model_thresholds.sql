INSERT INTO job_diagnoses (job_id, diagnosis) VALUES ('0190a0a0-0000-7000-8000-000000000009', '{}');
