//! Training steps back behind serving.

/// Makes the calling thread yield to threads of normal priority, so that predictions stay quick while jobs train.
/// Best effort: where the system refuses or knows no such thing, the thread keeps its priority.
pub fn lower_thread_priority() {
    #[cfg(target_os = "linux")]
    {
        // On Linux the id 0 of `setpriority` is the calling thread.
        const NICE: i32 = 19;
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "the thread keeps its priority");
        }
    }
}
