//! Which boot of the machine this is, and what time. Knows what a write that no `fsync` followed is worth: it can
//! be relied on until the machine stops.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// One boot of the machine, as the kernel names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot(String);

impl Boot {
    /// This one.
    pub fn current() -> Result<Self, Error> {
        let path = Path::new(BOOT_ID);
        let id = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Ok(Self(id.trim_end().to_owned()))
    }

    /// The one of that name. Tests play a restart of the machine with it.
    pub fn named(id: &str) -> Self {
        Self(id.to_owned())
    }

    pub(crate) fn id(&self) -> &str {
        &self.0
    }
}

/// A time as the database keeps it: nanoseconds since 1970.
pub(crate) fn to_nanos(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

pub(crate) fn from_nanos(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

pub(crate) fn now() -> i64 {
    to_nanos(SystemTime::now())
}
