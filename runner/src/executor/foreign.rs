//! Why a process did not start where its program is for another machine. Looks at programs, and runs none.

use std::path::Path;

use graph::op::ExecOp;
use oci::Platform;
use solver::port::Failure;

use super::LocalExecutor;
use crate::binfmt::{self, HANDLERS, HINT, Handler, Handlers};
use crate::copy::path;
use crate::copy::stack::Stack;

/// Of a program that could not be executed, and of one that was not found: also when it is the emulator that is not.
const NOT_EXECUTED: u8 = 126;
const NOT_FOUND: u8 = 127;

impl LocalExecutor {
    /// Whether `code` is that of a program of another machine, which has no emulator here.
    pub(super) fn foreign(&self, op: &ExecOp, root: &Stack, code: u8) -> Result<Option<Failure>, Failure> {
        if !matches!(code, NOT_EXECUTED | NOT_FOUND) {
            return Ok(None);
        }
        let Some(start) = self.program_start(op, root)? else { return Ok(None) };
        let Some(platform) = binfmt::platform_of(&start) else { return Ok(None) };
        if platform.rank_for(&Platform::host()).is_some() {
            return Ok(None);
        }
        let handlers = Handlers::read(Path::new(HANDLERS));
        let handler = handlers.as_ref().map(|handlers| handlers.of_program(&start));
        Ok(failure(&platform, handler, code))
    }

    /// How the program begins, if the root has it.
    fn program_start(&self, op: &ExecOp, root: &Stack) -> Result<Option<Vec<u8>>, Failure> {
        let Some(name) = op.args.first() else { return Ok(None) };
        let places: Vec<String> = if name.contains('/') {
            vec![if name.starts_with('/') { name.clone() } else { format!("{}/{name}", op.cwd) }]
        } else {
            let env: Vec<String> = op.env.iter().map(ToString::to_string).collect();
            let dirs = env.iter().rev().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or_default();
            dirs.split(':').filter(|dir| !dir.is_empty()).map(|dir| format!("{dir}/{name}")).collect()
        };
        for place in places {
            let start = self.file_start(root, &path::clean(place.as_bytes()), binfmt::LOOKED_AT as u64)?;
            if !start.is_empty() {
                return Ok(Some(start));
            }
        }
        Ok(None)
    }
}

/// `handler` is what is known of the program's: nothing, where handlers are not shown.
fn failure(platform: &Platform, handler: Option<Option<&Handler>>, code: u8) -> Option<Failure> {
    match (handler, code) {
        (Some(Some(handler)), NOT_FOUND) if !handler.is_open => Some(Failure::Other {
            message: format!(
                "this machine cannot run {platform} programs: the emulator of `{}` is not in the step's filesystem",
                handler.name
            ),
            hint: Some("register it in binfmt_misc with the flag `F`, as Debian's qemu-user-static does".to_owned()),
            source: None,
        }),
        (Some(None), _) | (None, NOT_EXECUTED) => Some(Failure::Other {
            message: format!("this machine cannot run {platform} programs"),
            hint: Some(HINT.to_owned()),
            source: None,
        }),
        // The emulator ran, and the code is the program's own.
        (Some(Some(_)) | None, _) => None,
    }
}
