//! `RUN`: its flags and its command.

use crate::ast::Node;
use crate::instruction::device;
use crate::instruction::flags::{self, Flag, Given, Takes};
use crate::instruction::mount;
use crate::instruction::problems::Problems;
use crate::instruction::{Device, Network, Run, Security, read};
use crate::nearest::nearest;
use crate::text::Text;

pub(super) const FLAGS: [Flag; 4] = [
    Flag { name: "mount", takes: Takes::Values },
    Flag { name: "network", takes: Takes::Value },
    Flag { name: "security", takes: Takes::Value },
    Flag { name: "device", takes: Takes::Values },
];

pub(crate) fn read(node: &Node, problems: &mut Problems) -> Run {
    let given = flags::read(node, &FLAGS, problems);
    Run {
        command: read::command_line(node),
        flags_used: given.names(),
        mounts: mounts(&given, problems),
        network: network(&given, problems),
        security: security(&given, problems),
        devices: devices(&given, problems),
    }
}

fn mounts(given: &Given, problems: &mut Problems) -> Vec<Text> {
    let mounts = given.texts("mount");
    for value in &mounts {
        if problems.full() {
            break;
        }
        if let Err(error) = mount::check(value) {
            let mut problem = problems.at(&error.subject, "InvalidMount", error.message);
            if let Some(hint) = error.hint {
                problem.hint(hint);
            }
        }
    }
    mounts
}

fn network(given: &Given, problems: &mut Problems) -> Network {
    let Some(value) = given.text("network") else { return Network::Default };
    Network::ALL.into_iter().find(|network| value == network.as_str()).unwrap_or_else(|| {
        choice("network", &value, &Network::ALL.map(Network::as_str), problems);
        Network::Default
    })
}

fn security(given: &Given, problems: &mut Problems) -> Security {
    let Some(value) = given.text("security") else { return Security::Sandbox };
    Security::ALL.into_iter().find(|security| value == security.as_str()).unwrap_or_else(|| {
        choice("security", &value, &Security::ALL.map(Security::as_str), problems);
        Security::Sandbox
    })
}

fn choice(flag: &str, value: &str, known: &[&str], problems: &mut Problems) {
    let message = format!("`--{flag}` cannot be `{value}`");
    let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    let mut problem = problems.at(&format!("--{flag}={value}"), "InvalidFlagValue", message);
    problem.expected(names.join(" or "));
    if let Some(meant) = nearest(value, known.iter().copied()) {
        problem.hint(format!("did you mean `{meant}`?"));
    }
}

fn devices(given: &Given, problems: &mut Problems) -> Vec<Device> {
    let read = |value: &Text| match device::parse(value) {
        Ok(device) => Some(device),
        Err(error) => {
            let mut problem = problems.at(&error.subject, "InvalidDevice", error.message);
            if let Some(hint) = error.hint {
                problem.hint(hint);
            }
            None
        }
    };
    given.texts("device").iter().map_while(read).collect()
}
