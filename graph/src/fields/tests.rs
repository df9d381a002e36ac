//! What keys are made of, pinned: a change here changes every cache in the world, and needs a new [`VERSION`].

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::Slot;

fn check(op: &Op, expected: Expect) {
    let fields = fields(op);
    let mut lines: Vec<String> = fields
        .fields()
        .iter()
        .map(|field| format!("{} = {}", field.name, String::from_utf8_lossy(&field.value)))
        .collect();
    lines.push(fields.digest().to_string());
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

fn exec() -> ExecOp {
    ExecOp {
        root: Some(Slot(0)),
        args: ["/bin/sh", "-c", "npm ci"].map(str::to_owned).to_vec(),
        env: ["PATH=/bin", "A=b=c"].into_iter().collect(),
        cwd: "/app".to_owned(),
        user: "node".to_owned(),
        hostname: None,
        network: Network::Default,
        security: Security::Sandbox,
        mounts: vec![
            Mount {
                target: "/root/.npm".to_owned(),
                kind: MountKind::Cache {
                    id: "npm".to_owned(),
                    sharing: Sharing::Locked,
                    from: None,
                    source: "/".to_owned(),
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                },
                readonly: false,
            },
            Mount {
                target: "/src".to_owned(),
                kind: MountKind::Bind { from: Some(Slot(1)), source: "/".to_owned() },
                readonly: true,
            },
        ],
        devices: Vec::new(),
        limits: Vec::new(),
        proxy_env: vec!["HTTP_PROXY=http://proxy".to_owned()],
    }
}

fn copy() -> Copy {
    Copy {
        from: Some(Slot(1)),
        src: "/src".to_owned(),
        dest: "/app/".to_owned(),
        owner: Some(Owner { user: Some(UserRef::Name("node".to_owned())), group: Some(UserRef::Id(7)) }),
        mode: Some(Mode::Octal(0o644)),
        follow_symlinks: true,
        dir_contents_only: true,
        unpack_archives: false,
        create_dest_path: true,
        allow_wildcard: true,
        allow_empty_wildcard: true,
        include_patterns: vec![],
        exclude_patterns: vec!["*.md".to_owned()],
        required_paths: Vec::new(),
        replace_existing: false,
        mtime: None,
    }
}

#[test]
fn fields_of_an_exec() {
    check(
        &Op::Exec(exec()),
        expect![[r#"
            version = 2
            op = exec
            root = 0
            args.0 = /bin/sh
            args.1 = -c
            args.2 = npm ci
            env.PATH = /bin
            env.A = b=c
            cwd = /app
            user = node
            network = default
            security = sandbox
            mounts.0.target = /root/.npm
            mounts.0.kind = cache
            mounts.0.id = npm
            mounts.0.sharing = locked
            mounts.0.source = /
            mounts.0.mode = 0755
            mounts.0.uid = 0
            mounts.0.gid = 0
            mounts.1.target = /src
            mounts.1.readonly = true
            mounts.1.kind = bind
            mounts.1.from = 1
            mounts.1.source = /
            blake3:19d678fcb85493b6ca4476b7bed3c3eb4bb126faa1ef9f7064b17a8fc4c8a086
        "#]],
    );
}

#[test]
fn fields_of_a_copy() {
    check(
        &Op::File(FileOp { base: Some(Slot(0)), actions: vec![FileAction::Copy(Box::new(copy()))] }),
        expect![[r#"
            version = 2
            op = file
            base = 0
            actions.0.kind = copy
            actions.0.from = 1
            actions.0.src = /src
            actions.0.dest = /app/
            actions.0.owner.user = name node
            actions.0.owner.group = 7
            actions.0.mode = 0644
            actions.0.follow_symlinks = true
            actions.0.dir_contents_only = true
            actions.0.create_dest_path = true
            actions.0.allow_wildcard = true
            actions.0.allow_empty_wildcard = true
            actions.0.exclude.0 = *.md
            blake3:52cd5146991c00ebbb6d57b533c9562de675a1412507c128584319563aecaae6
        "#]],
    );
}

#[test]
fn fields_of_sources() {
    let git = Git {
        reference: Some("main".to_owned()),
        checksum: Some("1234567".to_owned()),
        keep_git_dir: true,
        ..Git::new("git@example.com:a/b.git", Some("default"))
    };
    check(
        &Op::Source(SourceOp::Git(Box::new(git))),
        expect![[r#"
            version = 2
            op = git
            url = git@example.com:a/b.git
            reference = main
            checksum = 1234567
            keep_git_dir = true
            blake3:26718a6db41afd88dd91d26a5c7e4661bc7680a22cc7280dca1edbbec23c2079
        "#]],
    );
}

#[test]
fn fields_of_a_device_and_of_a_required_path() {
    let devices = vec![crate::op::Device { name: "vendor.com/gpu=all".to_owned(), required: true }];
    let with = fields(&Op::Exec(ExecOp { devices, ..exec() }));
    let names: Vec<&str> = with.fields().iter().rev().take(2).map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["devices.0.required", "devices.0.name"]);
    let copy = Copy { required_paths: vec!["/a".to_owned()], ..copy() };
    let with = fields(&Op::File(FileOp { base: None, actions: vec![FileAction::Copy(Box::new(copy))] }));
    assert_eq!(with.fields().last().map(|field| field.name.as_str()), Some("actions.0.required.0"));
}

#[test]
fn what_does_not_matter_is_in_no_key() {
    let with_proxy = fields(&Op::Exec(exec()));
    let without = fields(&Op::Exec(ExecOp { proxy_env: vec![], ..exec() }));
    assert_eq!(with_proxy, without);
}

proptest! {
    /// Two steps have one key exactly when they are the same step: no field runs into the next.
    #[test]
    fn different_steps_have_different_keys(
        args in proptest::collection::vec("[ab]{0,2}", 0..3),
        others in proptest::collection::vec("[ab]{0,2}", 0..3),
        cwd in "/[ab]?", other_cwd in "/[ab]?",
    ) {
        let one = ExecOp { args, cwd, ..exec() };
        let other = ExecOp { args: others, cwd: other_cwd, ..exec() };
        let same = one == other;
        let (one, other) = (fields(&Op::Exec(one)), fields(&Op::Exec(other)));
        prop_assert_eq!(one.digest() == other.digest(), same);
    }
}
