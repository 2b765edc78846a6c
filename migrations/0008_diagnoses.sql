-- What each job's diagnosis found, also of jobs that failed.
CREATE TABLE job_diagnoses (
    job_id TEXT NOT NULL,             -- whose diagnosis; of its present or last attempt
    diagnosis TEXT NOT NULL,          -- JSON: findings, checks, baselines
    CONSTRAINT job_diagnoses_pk PRIMARY KEY (job_id),
    CONSTRAINT job_diagnoses_job_fk FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
