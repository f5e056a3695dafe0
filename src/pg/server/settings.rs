//! Settings that values depend on: how a date, a number or an amount of money is written as text.

use pgrx::pg_sys::{self, GucAction, GucContext, GucSource};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

/// The settings on which conversions of a source's values depend.
const NAMES: [&CStr; 6] =
    [c"TimeZone", c"DateStyle", c"IntervalStyle", c"extra_float_digits", c"lc_monetary", c"bytea_output"];

/// Names and values.
pub type Settings = BTreeMap<String, String>;

/// This session's.
pub fn current() -> Settings {
    NAMES.iter().filter_map(|name| Some((name.to_str().ok()?.to_owned(), value(name)?))).collect()
}

fn value(name: &CStr) -> Option<String> {
    // SAFETY: asked not to raise an error; the value is null or a C string that is copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// Does `work` under these settings. The session's are restored at its end, or after an error at the transaction's end.
pub fn with<T>(settings: &Settings, work: impl FnOnce() -> T) -> T {
    let others: Vec<_> = settings.iter().filter(|(name, wanted)| differs(name, wanted)).collect();
    if others.is_empty() {
        return work();
    }
    // SAFETY: the level that is begun here is ended below, unless an error ends all levels.
    let level = unsafe { pg_sys::NewGUCNestLevel() };
    for (name, wanted) in others {
        set(name, wanted, GucAction::GUC_ACTION_SAVE);
    }
    let result = work();
    // SAFETY: as above.
    unsafe { pg_sys::AtEOXact_GUC(true, level) };
    result
}

/// Sets a setting to the end of the transaction.
pub fn set_local(name: &str, wanted: &str) {
    set(name, wanted, GucAction::GUC_ACTION_LOCAL);
}

fn set(name: &str, wanted: &str, action: GucAction::Type) {
    let (Ok(name), Ok(wanted)) = (CString::new(name), CString::new(wanted)) else { return };
    let (context, source) = (GucContext::PGC_USERSET, GucSource::PGC_S_SESSION);
    // SAFETY: both are C strings, which are copied; a value that the server does not take raises its error.
    unsafe {
        pg_sys::set_config_option(name.as_ptr(), wanted.as_ptr(), context, source, action, true, 0, false);
    }
}

fn differs(name: &str, wanted: &str) -> bool {
    let now = CString::new(name).ok().and_then(|name| value(&name));
    now.as_deref() != Some(wanted)
}
