//! Flags of `docker build` and `docker buildx build` that scripts have, and that change nothing here or are not there yet.
//! Which are which is decided by whoever reads them.

/// All hidden: `--help` tells what there is.
#[derive(Debug, Default, clap::Args)]
pub struct DockerArgs {
    #[arg(long, hide = true, value_name = "NAME")]
    pub builder: Option<String>,
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set, value_parser = super::build::boolean)]
    pub rm: Option<bool>,
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set, value_parser = super::build::boolean)]
    pub force_rm: Option<bool>,
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set, value_parser = super::build::boolean)]
    pub compress: Option<bool>,
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set, value_parser = super::build::boolean)]
    pub squash: Option<bool>,
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set, value_parser = super::build::boolean)]
    pub push: Option<bool>,
    #[arg(long, hide = true)]
    pub isolation: Option<String>,
    #[arg(long, hide = true)]
    pub security_opt: Vec<String>,
    #[arg(long, hide = true)]
    pub provenance: Option<String>,
    #[arg(long, hide = true)]
    pub sbom: Option<String>,
    #[arg(long, hide = true)]
    pub attest: Vec<String>,
    #[arg(long, hide = true)]
    pub annotation: Vec<String>,
    #[arg(long, hide = true)]
    pub cache_from: Vec<String>,
    #[arg(long, hide = true)]
    pub cache_to: Vec<String>,
    #[arg(long, hide = true)]
    pub policy: Vec<String>,
    #[arg(long, hide = true)]
    pub cgroup_parent: Option<String>,
    #[arg(long, hide = true)]
    pub resource: Vec<String>,
    #[arg(short = 'm', long, hide = true)]
    pub memory: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    #[arg(short = 'c', long, hide = true)]
    pub cpu_shares: Option<String>,
    #[arg(long, hide = true)]
    pub cpu_period: Option<String>,
    #[arg(long, hide = true)]
    pub cpu_quota: Option<String>,
    #[arg(long, hide = true)]
    pub cpuset_cpus: Option<String>,
    #[arg(long, hide = true)]
    pub cpuset_mems: Option<String>,
}
