//! Which engine this server is, and which of a cluster's processes this is.
//!
//! Apache Cloudberry, like Greenplum before it, tells each process its role by settings that PostgreSQL does not have. They
//! are read by name when they are needed, so nothing of Cloudberry's is linked. In the tests, a plain server whose sessions
//! have settings of these names stands for a cluster.

use crate::error::{Error, Result};
use millrace_export::Segment;
use millrace_sources::share;
use pgrx::pg_sys;
use std::ffi::CStr;
use std::ops::Range;

/// `dispatch` on the coordinator, `execute` in a segment's worker, `utility` elsewhere on a cluster.
const ROLE: &CStr = c"gp_role";
/// The segment's number, from 0; -1 on the coordinator.
const CONTENT_ID: &CStr = c"gp_contentid";

/// Whether this process is part of a Cloudberry or Greenplum cluster. There only the executor sends rows to their segments:
/// any other code that writes a table or adds nodes to plans would do so on the coordinator.
pub fn is_cluster() -> bool {
    setting(ROLE).is_some()
}

/// Which of some units this process makes if this many segments share them: a segment's worker makes its share, any other
/// process makes all. Null and 0 mean no segments.
pub fn share_of_segment(units: Range<u64>, segments: Option<i16>) -> Result<Range<u64>> {
    Ok(match segment(segments)? {
        Some(Segment { number, segments }) => share(units, number, segments).unwrap_or_default(),
        None => units,
    })
}

/// The segment that this process works for, if this many make rows together; null and 0 mean none.
pub fn segment(segments: Option<i16>) -> Result<Option<Segment>> {
    let segments = u64::try_from(segments.unwrap_or_default()).unwrap_or_default();
    match content_id() {
        Some(segment) if segments > 0 && segment >= segments => Err(Error::Segment { segment, segments }),
        Some(number) if segments > 0 => Ok(Some(Segment { number, segments })),
        _ => Ok(None),
    }
}

/// The number of the segment that this process works for, from 0.
fn content_id() -> Option<u64> {
    if setting(ROLE)? == "execute" { setting(CONTENT_ID)?.parse().ok() } else { None }
}

/// The value of a setting, if the server knows it.
fn setting(name: &CStr) -> Option<String> {
    // SAFETY: asked not to raise an error; the value is null or a C string that is copied at once.
    let value = unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        if value.is_null() { "".into() } else { CStr::from_ptr(value).to_string_lossy() }
    };
    if value.is_empty() { None } else { Some(value.into_owned()) }
}

/// Defines Cloudberry's settings on PostgreSQL, where a test's sessions set them.
#[cfg(feature = "pg_test")]
pub fn register_for_tests() {
    use pgrx::{GucContext::Userset, GucFlags, GucRegistry, GucSetting};
    use std::ffi::CString;
    static TEST_ROLE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
    static TEST_CONTENT_ID: GucSetting<i32> = GucSetting::<i32>::new(-1);
    const ABOUT: &CStr = c"Stands for Cloudberry's setting of this name.";
    let flags = GucFlags::default;
    GucRegistry::define_string_guc(ROLE, ABOUT, c"", &TEST_ROLE, Userset, flags());
    GucRegistry::define_int_guc(CONTENT_ID, ABOUT, c"", &TEST_CONTENT_ID, -1, 32_767, Userset, flags());
}
