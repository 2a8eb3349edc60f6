//! Taking a lock that nobody holds over an await, and that no panic leaves useless.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock that can be taken.
pub(crate) trait Lock<T> {
    /// Waits for the lock and takes it, even after a holder panicked.
    fn hold(&self) -> MutexGuard<'_, T>;
}

impl<T> Lock<T> for Mutex<T> {
    fn hold(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
