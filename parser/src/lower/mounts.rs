//! `RUN --mount`: binds, caches, temporary filesystems, secrets, agents. Mounts nothing.

use graph::op::{Mount, MountKind, Sharing as OpSharing};

use super::inputs::Inputs;
use super::plan::Origin;
use super::stage::{Builder, Current};
use super::{Step, refuse};
use crate::expand::Noting;
use crate::instruction::mount::{self, Mount as Written};
use crate::instruction::{MountKind as Kind, Sharing};
use crate::text::Text;
use crate::{Diagnostic, Span, path};

/// The variable that names an agent's socket.
pub(super) const AGENT: &str = "SSH_AUTH_SOCK";

const SECRET_MODE: u32 = 0o400;
const SOCKET_MODE: u32 = 0o600;

/// The mounts of one `RUN`.
#[derive(Default)]
pub(super) struct Mounts {
    pub mounts: Vec<Mount>,
    /// The variables that are secrets.
    pub in_environment: Vec<String>,
    /// Where the first agent's socket is.
    pub agent: Option<String>,
    agents: usize,
}

/// Filesystems with the outer directories first, whatever order they were written in; then secrets, then agents.
pub(super) fn in_order(mut mounts: Vec<Mount>, script: Option<Mount>) -> Vec<Mount> {
    mounts.extend(script);
    let rank = |mount: &Mount| match mount.kind {
        MountKind::Secret { .. } => 1,
        MountKind::Ssh { .. } => 2,
        _ => 0,
    };
    mounts.sort_by(|a, b| match (rank(a), rank(b)) {
        (0, 0) => a.target.cmp(&b.target),
        (a, b) => a.cmp(&b),
    });
    mounts
}

impl Builder<'_> {
    pub(super) fn mounts(
        &mut self,
        current: &Current<'_>,
        (written, sources): (&[Text], &[Option<Origin>]),
        inputs: &mut Inputs,
        span: Span,
    ) -> Step<Mounts> {
        let mut mounts = Mounts::default();
        for (written, source) in written.iter().zip(sources) {
            let mount = self.read(current, written, span)?;
            self.charge(mount.id.len() + mount.source.len(), span)?;
            self.parameters.mount(&mount, span);
            match mount.kind {
                Kind::Secret => mounts.secret(current, &mount, span)?,
                Kind::Ssh => mounts.agent(current, &mount, span)?,
                Kind::Bind | Kind::Cache | Kind::Tmpfs => {
                    let mount = self.filesystem(current, &mount, source.as_ref(), inputs, span)?;
                    mounts.mounts.push(mount);
                }
            }
            self.charge(mounts.mounts.last().map_or(0, |mount| mount.target.len()), span)?;
        }
        Ok(mounts)
    }

    fn read(&mut self, current: &Current<'_>, written: &str, span: Span) -> Step<Written> {
        let lexer = self.settled.lexer;
        let noting = Noting::new(&current.state.env);
        let mut expand = |text: &str| lexer.word(text, &noting).map_err(|error| error.to_string());
        let mount = mount::parse(written, &mut expand);
        self.unset(current, noting.into_missed());
        mount.map_err(|error| {
            let diagnostic = Diagnostic::error("InvalidMount", span, error.message);
            Box::new(match error.hint {
                Some(hint) => diagnostic.with_hint(hint),
                None => diagnostic,
            })
        })
    }

    fn filesystem(
        &mut self,
        current: &Current<'_>,
        mount: &Written,
        source: Option<&Origin>,
        inputs: &mut Inputs,
        span: Span,
    ) -> Step<Mount> {
        let target = absolute(current, &mount.target);
        if target == "/" {
            return refuse(
                "InvalidMountTarget",
                span,
                "a mount cannot stand in the place of the root: expected another `target`",
            );
        }
        let kind = match mount.kind {
            Kind::Tmpfs => MountKind::Tmpfs { size: u64::try_from(mount.size_limit).ok().filter(|size| *size > 0) },
            Kind::Bind | Kind::Cache | Kind::Secret | Kind::Ssh => self.mount_from(mount, source, inputs, span)?,
        };
        Ok(Mount { target, kind, readonly: mount.read_only })
    }

    fn mount_from(
        &mut self,
        mount: &Written,
        from: Option<&Origin>,
        inputs: &mut Inputs,
        span: Span,
    ) -> Step<MountKind> {
        let vertex = match from {
            Some(origin) => self.origin(origin, span)?,
            None if mount.kind == Kind::Cache => None,
            None => Some(self.main_context()),
        };
        let from = vertex.map(|vertex| inputs.slot(vertex));
        let source = path::rooted(&mount.source);
        if mount.kind == Kind::Bind {
            return Ok(MountKind::Bind { from, source });
        }
        let id = if mount.id.is_empty() { path::clean(&mount.target) } else { mount.id.to_string() };
        Ok(MountKind::Cache {
            id: match &self.settled.cache_namespace {
                Some(namespace) => format!("{namespace}/{id}"),
                None => id,
            },
            sharing: match mount.sharing {
                None | Some(Sharing::Shared) => OpSharing::Shared,
                Some(Sharing::Private) => OpSharing::Private,
                Some(Sharing::Locked) => OpSharing::Locked,
            },
            from,
            source,
            mode: mount.mode.unwrap_or(0o755),
            uid: mount.uid.unwrap_or(0),
            gid: mount.gid.unwrap_or(0),
        })
    }
}

impl Mounts {
    /// A file, unless it is to be a variable; where a variable and a target are given, both.
    fn secret(&mut self, current: &Current<'_>, mount: &Written, span: Span) -> Step<()> {
        let named = [&mount.source, &mount.id].into_iter().find(|name| !name.is_empty());
        let id = named.map_or_else(|| base(&mount.target).to_owned(), ToString::to_string);
        if id.is_empty() {
            return refuse("InvalidMount", span, "a secret's mount needs an `id` or a `target`");
        }
        let env = mount.env.as_ref().map(ToString::to_string);
        let target = match (mount.target.is_empty(), &env) {
            (false, _) => absolute(current, &mount.target),
            (true, Some(_)) => String::new(),
            (true, None) => format!("/run/secrets/{}", base(&id)),
        };
        self.in_environment.extend(env.clone());
        let kind = MountKind::Secret {
            id,
            required: mount.required,
            mode: mount.mode.unwrap_or(SECRET_MODE),
            uid: mount.uid.unwrap_or(0),
            gid: mount.gid.unwrap_or(0),
            env,
        };
        self.mounts.push(Mount { target, kind, readonly: true });
        Ok(())
    }

    fn agent(&mut self, current: &Current<'_>, mount: &Written, span: Span) -> Step<()> {
        if !mount.source.is_empty() {
            return refuse("InvalidMount", span, "an agent's mount has no `source`; `id` says which agent it is");
        }
        let target = match mount.target.as_str() {
            "" => format!("/run/buildkit/ssh_agent.{}", self.agents),
            target => absolute(current, target),
        };
        self.agents += 1;
        self.agent.get_or_insert_with(|| target.clone());
        let kind = MountKind::Ssh {
            id: if mount.id.is_empty() { "default".to_owned() } else { mount.id.to_string() },
            required: mount.required,
            mode: mount.mode.unwrap_or(SOCKET_MODE),
            uid: mount.uid.unwrap_or(0),
            gid: mount.gid.unwrap_or(0),
        };
        self.mounts.push(Mount { target, kind, readonly: true });
        Ok(())
    }
}

fn absolute(current: &Current<'_>, target: &str) -> String {
    path::clean(&path::resolve(current.state.workdir(), target))
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}
