//! When a source was made, which is what `SOURCE_DATE_EPOCH` may stand for. Fetches it, since its build needs it anyway.
//!
//! Of a commit, the committer's time. Of a file, what the server says; where it says nothing, the newest file in the
//! archive that it is. Images and directories of this machine have no time.

use std::fs::File;

use graph::SourceOp;
use oci::tarball::MemberKind;
use oci::tarball::read::Reader;
use solver::port::{Failure, TaskId};

use super::http::{Fetched, HttpFile};
use super::{Remotes, git};
use crate::executor::{fail, ids};

impl Remotes {
    /// In seconds since 1970.
    pub fn time(&self, source: &SourceOp, task: TaskId) -> Result<Option<i64>, Failure> {
        match source {
            SourceOp::Git(source) => git::commit_time(self, source).map(Some),
            SourceOp::Http { url, checksum, filename, mode, owner } => {
                let owner = ids(owner.as_ref())?;
                let file = HttpFile { url, checksum: *checksum, name: filename.as_deref(), mode: *mode, owner };
                let (fetched, modified) = self.http_modified(file, task)?;
                match modified {
                    Some(modified) => Ok(Some(modified)),
                    None => self.newest_inside(&fetched),
                }
            }
            SourceOp::Image { .. } | SourceOp::Local { .. } => Ok(None),
        }
    }

    fn newest_inside(&self, fetched: &Fetched) -> Result<Option<i64>, Failure> {
        let path = self.store.layer_fs(&fetched.layer).map_err(fail)?.join(&fetched.name);
        let unreadable = |error| Failure::other(format!("cannot read `{}`: {error}", path.display()));
        let file = File::open(&path).map_err(unreadable)?;
        // What is no archive has no time.
        let Ok((_format, tar)) = oci::compress::decompress(file) else { return Ok(None) };
        let (mut reader, mut newest) = (Reader::new(tar), None);
        loop {
            match reader.next_member() {
                Ok(Some(member)) if matches!(member.kind, MemberKind::File { .. }) => {
                    newest = newest.max(Some(member.meta.mtime.secs));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(newest),
                Err(_) => return Ok(None),
            }
        }
    }
}
