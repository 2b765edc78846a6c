//! Work that can wait steps back behind serving.

/// Makes the calling thread, and those that it starts, run only when no thread of normal priority wants the processor
/// (`SCHED_IDLE` on Linux): a thread that wakes up to serve takes its place at once, where one that is merely nicer
/// would keep the processor to the end of its time slice. Best effort: where the system refuses, it is as nice as can be.
pub fn run_when_idle() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy::Normal,
            set_thread_priority_and_policy, thread_native_id,
        };
        let refused = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(Idle));
        if let Err(error) = refused {
            tracing::debug!(?error, "the thread does not wait for idle time");
            lower_thread_priority();
        }
    }
}

/// Makes the calling thread yield to threads of normal priority; it still comes before those that run when idle.
/// Best effort: where the system refuses or knows no such thing, the thread keeps its priority.
pub fn lower_thread_priority() {
    be_nice(19);
}

/// As [`lower_thread_priority`], but only so far that others come first where both have work: the calling thread keeps a
/// share of the processor that lets it go on.
pub fn step_back() {
    be_nice(5);
}

fn be_nice(nice: i32) {
    // On Linux the id 0 of `setpriority` is the calling thread.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::debug!(%error, "the thread keeps its priority");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    #[test]
    fn a_thread_that_runs_when_idle_says_so() {
        let policy = std::thread::spawn(|| {
            super::run_when_idle();
            thread_schedule_policy()
        });
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!(policy.join().unwrap(), Ok(idle));
    }
}
