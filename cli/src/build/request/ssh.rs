//! `--ssh`: which agents or keys a build may use. Pure; opens none.

use std::path::PathBuf;

use crate::report::Problem;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub id: String,
    /// One agent's socket, or keys.
    pub paths: Vec<PathBuf>,
}

/// What all the `--ssh` mean. One without a path is the agent of the environment.
pub fn parse(values: &[String], variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Agent>, Problem> {
    let mut agents: Vec<Agent> = Vec::new();
    for text in values.iter().filter(|text| !text.is_empty()) {
        let (id, paths) = text.split_once('=').unwrap_or((text, ""));
        let id = if id.is_empty() { "default" } else { id };
        if agents.iter().any(|agent| agent.id == id) {
            return Err(Problem::usage(format!("`--ssh` is given twice for `{id}`"))
                .hint("several keys are written at once: `--ssh NAME=KEY,KEY`; another id makes another agent"));
        }
        let paths = match (paths, variable("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty())) {
            ("", Some(socket)) => vec![PathBuf::from(socket)],
            ("", None) => {
                return Err(Problem::usage(format!("`--ssh {text}` means your agent, and `SSH_AUTH_SOCK` is not set"))
                    .hint(format!("start one (`eval $(ssh-agent)`), or name a socket or a key: `--ssh {id}=PATH`")));
            }
            (paths, _) => paths.split(',').map(PathBuf::from).collect(),
        };
        agents.push(Agent { id: id.to_owned(), paths });
    }
    Ok(agents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(values: &[&str], socket: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        let variable = |name: &str| (name == "SSH_AUTH_SOCK").then(|| socket.map(str::to_owned)).flatten();
        let shown = |agent: Agent| {
            let paths: Vec<String> = agent.paths.iter().map(|path| path.display().to_string()).collect();
            (agent.id, paths.join(" "))
        };
        parse(&values, &variable)
            .map(|agents| agents.into_iter().map(shown).collect())
            .map_err(|problem| problem.message)
    }

    #[test]
    fn agents_and_keys() {
        let pairs = |pairs: &[(&str, &str)]| {
            Ok(pairs.iter().map(|(id, paths)| ((*id).to_owned(), (*paths).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(parsed(&["default"], Some("/sock")), pairs(&[("default", "/sock")]));
        assert_eq!(parsed(&["=k"], None), pairs(&[("default", "k")]));
        assert_eq!(parsed(&["a=k1,k2", "b=s"], None), pairs(&[("a", "k1 k2"), ("b", "s")]));
    }

    #[test]
    fn an_agent_must_be_there_and_have_one_meaning() {
        assert_eq!(
            parsed(&["default"], None),
            Err("`--ssh default` means your agent, and `SSH_AUTH_SOCK` is not set".to_owned())
        );
        assert_eq!(parsed(&["a=k", "a=s"], None), Err("`--ssh` is given twice for `a`".to_owned()));
    }
}
