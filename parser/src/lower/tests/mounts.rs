//! What a `RUN` is given: mounts, secrets, agents, devices.

use expect_test::{Expect, expect};
use graph::Op;

use super::*;

/// The mounts of the last `RUN`, a line each; what is beside them, and its name.
fn check(text: &str, request: &Request, expected: Expect) {
    let lowered = lower_text(text, request).expect("it is right");
    let vertices = lowered.graph.ids().map(|id| lowered.graph.vertex(id));
    let (name, exec) = vertices
        .filter_map(|vertex| match &vertex.op {
            Op::Exec(exec) => Some((&vertex.meta.name, exec)),
            _ => None,
        })
        .next_back()
        .expect("a RUN");
    let mut out = format!("{name}\n");
    for mount in &exec.mounts {
        let _ = writeln!(out, "{} {:?}", mount.target, mount.kind);
    }
    let _ = writeln!(out, "{:?} {:?} {:?}", exec.env, exec.security, exec.hostname);
    for device in &exec.devices {
        let _ = writeln!(out, "{device:?}");
    }
    expected.assert_eq(&out);
}

#[test]
fn secrets() {
    check(
        "FROM a\nWORKDIR /w\nARG TOKEN=x\nRUN --mount=type=secret,id=x --mount=type=secret,target=y/z,required,mode=0440,gid=5 \
         --mount=type=secret,id=t,env=TOKEN --mount=type=secret,id=b,env=B,target=/b --mount=type=tmpfs,target=/t echo $TOKEN\n",
        &request(),
        expect![[r#"
            [stage-0 3/3] RUN --mount=type=secret,id=x --mount=type=secret,target=y/z,required,mode=0440,gid=5 --mount=type=secret,id=t,env=TOKEN --mount=type=secret,id=b,env=B,target=/b --mount=type=tmpfs,target=/t echo ****
            /t Tmpfs { size: None }
            /run/secrets/x Secret { id: "x", required: false, mode: 256, uid: 0, gid: 0, env: None }
            /w/y/z Secret { id: "z", required: true, mode: 288, uid: 0, gid: 5, env: None }
             Secret { id: "t", required: false, mode: 256, uid: 0, gid: 0, env: Some("TOKEN") }
            /b Secret { id: "b", required: false, mode: 256, uid: 0, gid: 0, env: Some("B") }
            ["PATH=/bin", "TOKEN=x"] Sandbox None
        "#]],
    );
}

#[test]
fn agents() {
    check(
        "FROM a\nRUN --mount=type=ssh --mount=type=ssh,id=other,target=/s,uid=7 --mount=type=ssh x\n",
        &request(),
        expect![[r#"
            [stage-0 2/2] RUN --mount=type=ssh --mount=type=ssh,id=other,target=/s,uid=7 --mount=type=ssh x
            /run/buildkit/ssh_agent.0 Ssh { id: "default", required: false, mode: 384, uid: 0, gid: 0 }
            /s Ssh { id: "other", required: false, mode: 384, uid: 7, gid: 0 }
            /run/buildkit/ssh_agent.2 Ssh { id: "default", required: false, mode: 384, uid: 0, gid: 0 }
            ["PATH=/bin", "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"] Sandbox None
        "#]],
    );
    check(
        "FROM a\nENV SSH_AUTH_SOCK=/own\nRUN --mount=type=ssh,required=true x\n",
        &request(),
        expect![[r#"
            [stage-0 2/2] RUN --mount=type=ssh,required=true x
            /run/buildkit/ssh_agent.0 Ssh { id: "default", required: true, mode: 384, uid: 0, gid: 0 }
            ["PATH=/bin", "SSH_AUTH_SOCK=/own"] Sandbox None
        "#]],
    );
}

#[test]
fn what_the_build_gives() {
    let build_args = [("BUILDKIT_CACHE_MOUNT_NS", "team"), ("BUILDKIT_SANDBOX_HOSTNAME", "box")];
    let request = Request {
        build_args: build_args.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        entitlements: Entitlement::ALL.into_iter().collect(),
        hostname: Some("other".to_owned()),
        ..request()
    };
    check(
        "FROM a\nRUN --mount=type=cache,target=/c --security=insecure --device=v.com/c=d --device=e,required x\n",
        &request,
        expect![[r#"
            [stage-0 2/2] RUN --mount=type=cache,target=/c --security=insecure --device=v.com/c=d --device=e,required x
            /c Cache { id: "team//c", sharing: Shared, from: None, source: "/", mode: 493, uid: 0, gid: 0 }
            ["PATH=/bin"] Insecure Some("box")
            Device { name: "v.com/c=d", required: false }
            Device { name: "e", required: true }
        "#]],
    );
}

#[test]
fn mistakes() {
    for (mount, message) in [
        ("type=ssh,source=/x", "an agent's mount has no `source`; `id` says which agent it is"),
        ("type=tmpfs,target=/", "a mount cannot stand in the place of the root: expected another `target`"),
    ] {
        let errors = lower_text(&format!("FROM a\nRUN --mount={mount} x\n"), &request()).expect_err(mount);
        assert_eq!((errors[0].span.first_line, errors[0].message.as_str()), (2, message));
    }
}
