//! Users and groups, as `/etc/passwd` and `/etc/group` of a root filesystem tell them. Bytes in, ids out.
//!
//! `USER` is read as `moby/sys/user`'s `GetExecUser` does, which runc and BuildKit use; `--chown` as BuildKit does.

use graph::op::{Owner, UserRef};

use crate::copy::Ids;
use crate::sandbox::spec::Credentials;

/// The accounts of one root filesystem.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

#[derive(Debug, Clone)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// Who a process runs as, and where it is at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub credentials: Credentials,
    pub home: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("no user `{name}` in the image's `/etc/passwd`\nhint: create it in an earlier RUN, or use a number")]
    NoUser { name: String },
    #[error("no group `{name}` in the image's `/etc/group`\nhint: create it in an earlier RUN, or use a number")]
    NoGroup { name: String },
}

impl Accounts {
    /// Lines that make no sense are no accounts.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        let users = lines(passwd).filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            Some(User {
                name: fields.first()?.to_string(),
                uid: fields.get(2)?.parse().ok()?,
                gid: fields.get(3)?.parse().ok()?,
                home: fields.get(5).copied().unwrap_or_default().to_owned(),
            })
        });
        let groups = lines(group).filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let members = fields.get(3).copied().unwrap_or_default();
            Some(Group {
                name: fields.first()?.to_string(),
                gid: fields.get(2)?.parse().ok()?,
                members: members.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            })
        });
        Self { users: users.collect(), groups: groups.collect() }
    }

    /// Who `user` (`name`, `uid`, either with `:group`, or nothing for root) is.
    pub fn login(&self, user: &str) -> Result<Login, AccountError> {
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        let number: Option<u32> = if user.is_empty() { Some(0) } else { user.parse().ok() };
        let found = self.users.iter().find(|entry| entry.name == user || Some(entry.uid) == number);
        let (uid, mut gid, home) = match (found, number) {
            (Some(found), _) => (found.uid, found.gid, found.home.clone()),
            (None, Some(uid)) => (uid, 0, String::new()),
            // `root` is 0 even in an empty root.
            (None, None) if user == "root" => (0, 0, "/root".to_owned()),
            (None, None) => return Err(AccountError::NoUser { name: user.to_owned() }),
        };
        let mut groups = Vec::new();
        if group.is_empty() {
            let name = found.map(|found| &found.name);
            groups.extend(
                self.groups
                    .iter()
                    .filter(|entry| name.is_some_and(|name| entry.members.contains(name)))
                    .map(|entry| entry.gid),
            );
        } else {
            gid = self
                .group(group)
                .or_else(|| group.parse().ok())
                .ok_or_else(|| AccountError::NoGroup { name: group.to_owned() })?;
        }
        if !groups.contains(&gid) {
            groups.insert(0, gid);
        }
        let home = if home.is_empty() { "/".to_owned() } else { home };
        Ok(Login { credentials: Credentials { uid, gid, groups }, home })
    }

    /// Whom `--chown` names, and the names that nobody has: BuildKit takes those for root. A user's own group goes with
    /// it when no group is given; a user by number has the group of the same number.
    pub fn owner(&self, owner: &Owner) -> (Ids, Vec<AccountError>) {
        let mut unknown = Vec::new();
        let mut ids = match &owner.user {
            None => Ids::default(),
            Some(UserRef::Id(id)) => Ids { uid: *id, gid: *id },
            Some(UserRef::Name(name)) => match self.users.iter().find(|user| user.name == *name) {
                Some(user) => Ids { uid: user.uid, gid: user.gid },
                None => {
                    unknown.extend((name != "root").then(|| AccountError::NoUser { name: name.clone() }));
                    Ids::default()
                }
            },
        };
        match &owner.group {
            None => {}
            Some(UserRef::Id(id)) => ids.gid = *id,
            Some(UserRef::Name(name)) => match self.named_group(name) {
                Some(gid) => ids.gid = gid,
                None => unknown.extend((name != "root").then(|| AccountError::NoGroup { name: name.clone() })),
            },
        }
        (ids, unknown)
    }

    fn group(&self, group: &str) -> Option<u32> {
        let number = group.parse().ok();
        self.groups.iter().find(|entry| entry.name == group || Some(entry.gid) == number).map(|entry| entry.gid)
    }

    fn named_group(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|entry| entry.name == name).map(|entry| entry.gid)
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = String> + '_ {
    let lines = text.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line).trim().to_owned());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001:An app:/home/app:/bin/sh\nnohome:x:7:7::\n";
    const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:root,app\napp:x:1001:\naudio:x:29:app\n";

    fn login(user: &str) -> String {
        match Accounts::parse(PASSWD, GROUP).login(user) {
            Ok(Login { credentials: Credentials { uid, gid, groups }, home }) => {
                format!("{uid}:{gid} {groups:?} {home}")
            }
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn users_are_looked_up() {
        for (user, expected) in [
            ("", "0:0 [0, 10] /root"),
            ("root", "0:0 [0, 10] /root"),
            ("app", "1000:1001 [1001, 10, 29] /home/app"),
            ("1000", "1000:1001 [1001, 10, 29] /home/app"),
            ("app:wheel", "1000:10 [10] /home/app"),
            ("app:44", "1000:44 [44] /home/app"),
            ("4242", "4242:0 [0] /"),
            ("4242:4343", "4242:4343 [4343] /"),
            ("nohome", "7:7 [7] /"),
            ("nobody", "no user `nobody` in the image's `/etc/passwd`"),
            ("app:nogroup", "no group `nogroup` in the image's `/etc/group`"),
        ] {
            assert_eq!(login(user), expected, "{user}");
        }
        assert_eq!(Accounts::default().login("").unwrap().credentials.uid, 0);
        assert_eq!(Accounts::default().login("root").unwrap().home, "/root");
    }

    #[test]
    fn owners_are_looked_up() {
        let accounts = Accounts::parse(PASSWD, GROUP);
        let owner = |user: Option<UserRef>, group: Option<UserRef>| accounts.owner(&Owner { user, group });
        let name = |name: &str| Some(UserRef::Name(name.to_owned()));
        let no_user = || vec![AccountError::NoUser { name: "nobody".to_owned() }];
        assert_eq!(owner(name("app"), None), (Ids { uid: 1000, gid: 1001 }, vec![]));
        assert_eq!(owner(name("app"), name("audio")), (Ids { uid: 1000, gid: 29 }, vec![]));
        assert_eq!(owner(Some(UserRef::Id(5)), None), (Ids { uid: 5, gid: 5 }, vec![]));
        assert_eq!(owner(Some(UserRef::Id(5)), Some(UserRef::Id(6))), (Ids { uid: 5, gid: 6 }, vec![]));
        assert_eq!(owner(name("nobody"), None), (Ids::default(), no_user()));
        assert_eq!(owner(name("nobody"), name("audio")), (Ids { uid: 0, gid: 29 }, no_user()));
    }
}
