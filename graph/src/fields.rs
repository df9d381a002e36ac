//! What of an op enters a cache key, as named fields. Knows no inputs, no store and no schedule.
//!
//! `docs/cache-keys.md` has the table; a golden test pins it. Whatever is not listed there (values of secrets, proxies, the
//! contents of cache mounts, names shown to people, source lines) is not in any key.

use crate::manifest::Manifest;
use crate::op::{
    Copy, ExecOp, FileAction, FileOp, Git, Mode, Mount, MountKind, Network, Op, Owner, Security, Sharing, SourceOp,
    UserRef,
};

/// Changes whenever the same step would get another key; see `docs/cache-keys.md`.
pub const VERSION: &str = "2";

/// The fields of `op` alone. Their digest names the step: records of the same step with other inputs share it.
pub fn fields(op: &Op) -> Manifest {
    let mut fields = Manifest::default();
    fields.push("version", VERSION);
    match op {
        Op::Source(source) => source_fields(&mut fields, source),
        Op::Exec(exec) => exec_fields(&mut fields, exec),
        Op::File(file) => file_fields(&mut fields, file),
        Op::Merge => fields.push("op", "merge"),
        Op::Diff => fields.push("op", "diff"),
    }
    fields
}

fn source_fields(fields: &mut Manifest, source: &SourceOp) {
    match source {
        SourceOp::Image { reference: _, digest, platform } => {
            fields.push("op", "image");
            fields.push("digest", digest.to_string());
            fields.push("platform", platform.to_string());
        }
        SourceOp::Local { name } => {
            fields.push("op", "local");
            fields.push("name", name.as_str());
        }
        SourceOp::Git(git) => git_fields(fields, git),
        SourceOp::Http { url, checksum, filename, mode, owner } => {
            fields.push("op", "http");
            fields.push("url", url.as_str());
            push_some(fields, "checksum", checksum.map(|digest| digest.to_string()));
            push_some(fields, "filename", filename.as_deref());
            push_some(fields, "mode", mode.map(octal));
            push_owner(fields, "", owner.as_ref());
        }
    }
}

fn git_fields(fields: &mut Manifest, git: &Git) {
    // How one is let in changes nothing of what is there.
    let Git { auth_token_secret: _, auth_header_secret: _, ssh: _, known_hosts: _, .. } = git;
    fields.push("op", "git");
    fields.push("url", git.url.as_str());
    push_some(fields, "reference", git.reference.as_deref());
    push_some(fields, "subdir", git.subdir.as_deref());
    push_some(fields, "checksum", git.checksum.as_deref());
    push_flag(fields, "keep_git_dir", git.keep_git_dir);
    push_flag(fields, "skip_submodules", git.skip_submodules);
    push_flag(fields, "commit_times", git.commit_times);
    push_flag(fields, "fetch_by_commit", git.fetch_by_commit);
}

fn exec_fields(fields: &mut Manifest, exec: &ExecOp) {
    let ExecOp { root, args, env, cwd, user, hostname, network, security, mounts, devices, limits, proxy_env: _ } =
        exec;
    fields.push("op", "exec");
    push_some(fields, "root", root.map(|slot| slot.0.to_string()));
    for (n, arg) in args.iter().enumerate() {
        fields.push(format!("args.{n}"), arg.as_str());
    }
    for variable in env.iter() {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        fields.push(format!("env.{name}"), value);
    }
    fields.push("cwd", cwd.as_str());
    fields.push("user", user.as_str());
    push_some(fields, "hostname", hostname.as_deref());
    fields.push("network", network_name(*network));
    fields.push("security", security_name(*security));
    for (n, mount) in mounts.iter().enumerate() {
        mount_fields(fields, &format!("mounts.{n}."), mount);
    }
    for (n, device) in devices.iter().enumerate() {
        fields.push(format!("devices.{n}.name"), device.name.as_str());
        push_flag(fields, &format!("devices.{n}.required"), device.required);
    }
    for limit in limits {
        let text = |value: Option<u64>| value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string());
        fields.push(format!("limits.{}", limit.name), format!("{}:{}", text(limit.soft), text(limit.hard)));
    }
}

fn network_name(network: Network) -> &'static str {
    match network {
        Network::Default => "default",
        Network::Host => "host",
        Network::None => "none",
    }
}

fn security_name(security: Security) -> &'static str {
    match security {
        Security::Sandbox => "sandbox",
        Security::Insecure => "insecure",
    }
}

fn mount_fields(fields: &mut Manifest, prefix: &str, mount: &Mount) {
    let name = |field: &str| format!("{prefix}{field}");
    fields.push(name("target"), mount.target.as_str());
    push_flag(fields, &name("readonly"), mount.readonly);
    match &mount.kind {
        MountKind::Bind { from, source } => {
            fields.push(name("kind"), "bind");
            push_some(fields, &name("from"), from.map(|slot| slot.0.to_string()));
            fields.push(name("source"), source.as_str());
        }
        MountKind::Cache { id, sharing, from, source, mode, uid, gid } => {
            fields.push(name("kind"), "cache");
            fields.push(name("id"), id.as_str());
            fields.push(name("sharing"), sharing_name(*sharing));
            push_some(fields, &name("from"), from.map(|slot| slot.0.to_string()));
            fields.push(name("source"), source.as_str());
            push_access(fields, prefix, *mode, *uid, *gid);
        }
        MountKind::Tmpfs { size } => {
            fields.push(name("kind"), "tmpfs");
            push_some(fields, &name("size"), size.map(|bytes| bytes.to_string()));
        }
        MountKind::Secret { id, required, mode, uid, gid, env } => {
            fields.push(name("kind"), "secret");
            fields.push(name("id"), id.as_str());
            push_flag(fields, &name("required"), *required);
            push_some(fields, &name("env"), env.as_deref());
            push_access(fields, prefix, *mode, *uid, *gid);
        }
        MountKind::Ssh { id, required, mode, uid, gid } => {
            fields.push(name("kind"), "ssh");
            fields.push(name("id"), id.as_str());
            push_flag(fields, &name("required"), *required);
            push_access(fields, prefix, *mode, *uid, *gid);
        }
        MountKind::File { contents, mode } => {
            fields.push(name("kind"), "file");
            fields.push(name("contents"), contents.as_slice());
            fields.push(name("mode"), octal(*mode));
        }
    }
}

fn sharing_name(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::Shared => "shared",
        Sharing::Private => "private",
        Sharing::Locked => "locked",
    }
}

fn file_fields(fields: &mut Manifest, file: &FileOp) {
    let FileOp { base, actions } = file;
    fields.push("op", "file");
    push_some(fields, "base", base.map(|slot| slot.0.to_string()));
    for (n, action) in actions.iter().enumerate() {
        action_fields(fields, &format!("actions.{n}."), action);
    }
}

fn action_fields(fields: &mut Manifest, prefix: &str, action: &FileAction) {
    let name = |field: &str| format!("{prefix}{field}");
    match action {
        FileAction::Copy(copy) => copy_fields(fields, prefix, copy),
        FileAction::Mkdir { path, mode, make_parents, owner, mtime } => {
            fields.push(name("kind"), "mkdir");
            fields.push(name("path"), path.as_str());
            fields.push(name("mode"), octal(*mode));
            push_flag(fields, &name("make_parents"), *make_parents);
            push_owner(fields, prefix, owner.as_ref());
            push_some(fields, &name("mtime"), mtime.map(|seconds| seconds.to_string()));
        }
        FileAction::Mkfile { path, mode, contents, owner, mtime } => {
            fields.push(name("kind"), "mkfile");
            fields.push(name("path"), path.as_str());
            fields.push(name("mode"), octal(*mode));
            fields.push(name("contents"), contents.as_slice());
            push_owner(fields, prefix, owner.as_ref());
            push_some(fields, &name("mtime"), mtime.map(|seconds| seconds.to_string()));
        }
        FileAction::Symlink { target, link, owner, mtime } => {
            fields.push(name("kind"), "symlink");
            fields.push(name("target"), target.as_str());
            fields.push(name("link"), link.as_str());
            push_owner(fields, prefix, owner.as_ref());
            push_some(fields, &name("mtime"), mtime.map(|seconds| seconds.to_string()));
        }
        FileAction::Rm { path, allow_not_found, allow_wildcard } => {
            fields.push(name("kind"), "rm");
            fields.push(name("path"), path.as_str());
            push_flag(fields, &name("allow_not_found"), *allow_not_found);
            push_flag(fields, &name("allow_wildcard"), *allow_wildcard);
        }
    }
}

fn copy_fields(fields: &mut Manifest, prefix: &str, copy: &Copy) {
    let name = |field: &str| format!("{prefix}{field}");
    fields.push(name("kind"), "copy");
    push_some(fields, &name("from"), copy.from.map(|slot| slot.0.to_string()));
    fields.push(name("src"), copy.src.as_str());
    fields.push(name("dest"), copy.dest.as_str());
    push_owner(fields, prefix, copy.owner.as_ref());
    match &copy.mode {
        None => {}
        Some(Mode::Octal(mode)) => fields.push(name("mode"), octal(*mode)),
        Some(Mode::Symbolic(mode)) => fields.push(name("mode"), mode.as_str()),
    }
    for (flag, on) in [
        ("follow_symlinks", copy.follow_symlinks),
        ("dir_contents_only", copy.dir_contents_only),
        ("unpack_archives", copy.unpack_archives),
        ("create_dest_path", copy.create_dest_path),
        ("allow_wildcard", copy.allow_wildcard),
        ("allow_empty_wildcard", copy.allow_empty_wildcard),
        ("replace_existing", copy.replace_existing),
    ] {
        push_flag(fields, &name(flag), on);
    }
    let lists =
        [("include", &copy.include_patterns), ("exclude", &copy.exclude_patterns), ("required", &copy.required_paths)];
    for (list, patterns) in lists {
        for (n, pattern) in patterns.iter().enumerate() {
            fields.push(format!("{prefix}{list}.{n}"), pattern.as_str());
        }
    }
    push_some(fields, &name("mtime"), copy.mtime.map(|seconds| seconds.to_string()));
}

fn push_some(fields: &mut Manifest, name: &str, value: Option<impl Into<String>>) {
    if let Some(value) = value {
        fields.push(name, value.into());
    }
}

/// A flag that is off is left out, so that a new one does not change the keys of what does not use it.
fn push_flag(fields: &mut Manifest, name: &str, on: bool) {
    if on {
        fields.push(name, "true");
    }
}

fn push_access(fields: &mut Manifest, prefix: &str, mode: u32, uid: u32, gid: u32) {
    fields.push(format!("{prefix}mode"), octal(mode));
    fields.push(format!("{prefix}uid"), uid.to_string());
    fields.push(format!("{prefix}gid"), gid.to_string());
}

fn push_owner(fields: &mut Manifest, prefix: &str, owner: Option<&Owner>) {
    let Some(Owner { user, group }) = owner else { return };
    for (name, id) in [("owner.user", user), ("owner.group", group)] {
        match id {
            None => {}
            Some(UserRef::Id(id)) => fields.push(format!("{prefix}{name}"), id.to_string()),
            Some(UserRef::Name(id)) => fields.push(format!("{prefix}{name}"), format!("name {id}")),
        }
    }
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

#[cfg(test)]
mod tests;
