//! Ctrl-C. Running statements are cancelled, so that commands end properly and clean up. A command may handle the first
//! Ctrl-C itself, to stop more gently.

use crate::connection::Tls;
use crate::error::{Error, Result};
use postgres::CancelToken;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often the user asked to stop.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Whether the command handles the first time itself.
static GENTLE: AtomicBool = AtomicBool::new(false);
/// Whether there is something to remove before the program may end.
static CLEAN_UP: AtomicBool = AtomicBool::new(false);
static SESSIONS: Mutex<Vec<(CancelToken, Tls)>> = Mutex::new(Vec::new());

/// From now on Ctrl-C, and a request to terminate, come here.
pub fn install() -> Result<()> {
    ctrlc::set_handler(handle)
        .map_err(|error| Error::failed(format!("could not listen for signals: {error}"), ""))
}

fn handle() {
    let times = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
    if GENTLE.load(Ordering::SeqCst) && times == 1 {
        return;
    }
    if !cancel() && !CLEAN_UP.load(Ordering::SeqCst) {
        std::process::exit(130);
    }
}

/// Cancels what the sessions are doing; false if there are none.
pub fn cancel() -> bool {
    let sessions = SESSIONS.lock().map(|sessions| sessions.clone()).unwrap_or_default();
    for (session, tls) in &sessions {
        // A session that is gone has nothing left to cancel.
        let _ = tls.cancel(session);
    }
    !sessions.is_empty()
}

/// How often the user asked to stop.
pub fn count() -> usize {
    COUNT.load(Ordering::SeqCst)
}

/// Ends a command between two of its steps.
pub fn check() -> Result<()> {
    if count() > 0 { Err(Error::Interrupted { hint: None }) } else { Ok(()) }
}

/// The command handles the first Ctrl-C itself.
pub fn be_gentle() {
    GENTLE.store(true, Ordering::SeqCst);
}

/// There is something to remove before the program may end.
pub fn must_clean_up() {
    CLEAN_UP.store(true, Ordering::SeqCst);
}

/// Ctrl-C cancels what this session does.
pub fn watch(session: CancelToken, tls: Tls) {
    if let Ok(mut sessions) = SESSIONS.lock() {
        sessions.push((session, tls));
    }
}
