//! A drawing of a build: all that any of its forms shows, as plain data. Knows no graph, no store and no form.

use std::time::Duration;

/// What is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing {
    /// The Dockerfile, as it was named.
    pub dockerfile: String,
    /// The stages, in the order of their first steps.
    pub groups: Vec<Group>,
    /// Inputs before what uses them.
    pub nodes: Vec<Node>,
    /// By user, then by kind.
    pub edges: Vec<Edge>,
}

/// A stage of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As steps are labelled with it: `build`, `linux/arm64 build`.
    pub name: String,
}

/// A position in [`Drawing::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// A position in [`Drawing::groups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub usize);

/// A vertex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As a build names it: `[build 2/5] RUN npm ci`.
    pub name: String,
    /// What the name has in brackets: `build 2/5`.
    pub step: Option<String>,
    /// The rest of it, in one line.
    pub title: String,
    /// `None` for what several stages share, or none begins with.
    pub group: Option<GroupId>,
    pub kind: Kind,
    /// First and last line in the Dockerfile, from 1.
    pub lines: Option<(u32, u32)>,
    /// What these lines say.
    pub instruction: String,
    pub state: State,
    /// How long it took when it last ran.
    pub took: Option<Duration>,
    /// The bytes of its layers' files.
    pub size: Option<u64>,
    /// Whether its result is an image of the build.
    pub is_target: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Image,
    Context,
    Remote,
    Run,
    Files,
    /// Nothing is done for it: layers are put on one another.
    Stack,
}

/// What the next build will make of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A source that is on this machine.
    Here,
    /// A source that the build will ask somebody else for.
    Absent,
    Cached,
    WillRun,
    /// Nobody knows before its inputs have run.
    Unknown,
    /// The build will come to an end here.
    Fails(String),
}

/// That one node's result goes into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub to: NodeId,
    pub kind: EdgeKind,
    pub from: NodeId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// It is built on it.
    Base,
    /// It takes files from it.
    Copy,
    /// It sees it while it runs.
    Mount,
}

impl Drawing {
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The nodes of each group, and apart from them those of none.
    pub fn by_group(&self) -> (Vec<Vec<NodeId>>, Vec<NodeId>) {
        let (mut groups, mut others) = (vec![Vec::new(); self.groups.len()], Vec::new());
        for id in self.ids() {
            match self.node(id).group {
                Some(group) => groups[group.0].push(id),
                None => others.push(id),
            }
        }
        (groups, others)
    }

    /// The edges that lead to each node.
    pub fn inputs(&self) -> Vec<Vec<Edge>> {
        let mut inputs = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            inputs[edge.to.0].push(*edge);
        }
        inputs
    }
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Context => "context",
            Self::Remote => "remote",
            Self::Run => "run",
            Self::Files => "files",
            Self::Stack => "stack",
        }
    }

    /// Whether a build counts it among the steps that run or are cached.
    pub fn is_step(self) -> bool {
        match self {
            Self::Run | Self::Files => true,
            Self::Image | Self::Context | Self::Remote | Self::Stack => false,
        }
    }
}

impl State {
    /// For a person.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Absent => "not here",
            Self::Cached => "cached",
            Self::WillRun => "will run",
            Self::Unknown => "unknown",
            Self::Fails(_) => "fails",
        }
    }

    /// For a program.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Absent => "absent",
            Self::Cached => "cached",
            Self::WillRun => "run",
            Self::Unknown => "unknown",
            Self::Fails(_) => "fail",
        }
    }
}

impl EdgeKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Copy => "copy",
            Self::Mount => "mount",
        }
    }
}
