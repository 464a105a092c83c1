//! The arguments of every verb. `completions`, `man` and `--help` are made from these.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::model::units;
use crate::render::{Emit, Format};

const EXIT_CODES: &str = "\
Exit codes, the same for every verb and format:
  0   done, or nothing to do
  1   error
  2   changes or drift (`plan --detailed-exitcode`, `drift` always)
  3   incomplete: something could not be read
  4   stale or altered plan, nothing was done
  5   locked by someone else
  6   refused: hazard not allowed, guard, protection, or not confirmed
  7   partly applied
  64  usage error or invalid policy";

/// Keeps databases, pools, caches and balancers on course: policies in, plans out, small corrections applied.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub globals: Globals,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Clone, Debug, Args)]
pub struct Globals {
    /// Lay `env/NAME.toml` of each folder over the policy
    #[arg(long, global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Lay FILE over the policy; may be repeated, later ones win
    #[arg(long, global = true, value_name = "FILE")]
    pub overlay: Vec<PathBuf>,
    /// Log to stderr what FILTER selects, such as `info` or `evenkeel=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// Print without colour
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Print nothing but the document
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// How long connecting to one target may take
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub connect_timeout: Duration,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a playground on an embedded database and walk through it
    Demo(DemoArgs),
    /// Write a starter policy, also from a live system, and a CI example
    Init(InitArgs),
    /// Check policies offline: syntax, types, names, cross-target rules
    Check(PathArgs),
    /// Show what apply would do
    Plan(PlanArgs),
    /// Show a saved plan
    Show(ShowArgs),
    /// Bring the live systems to what the policy says
    Apply(ApplyArgs),
    /// Say what differs from the policy; exits 2 on drift
    Drift(DriftArgs),
    /// Print the live state as policy
    Export(ExportArgs),
    /// Say what was applied, from the journal
    History(HistoryArgs),
    /// Remove from caches what has changed in databases, and sweep cache tables
    Invalidate(InvalidateArgs),
    /// Do what `invalidate --follow` does as a service, with /metrics and /healthz
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    /// Release a lock that a lost run left behind
    Unlock(UnlockArgs),
    /// Explain a hazard, diagnostic, kind or attribute
    Explain(ExplainArgs),
    /// Print the JSON Schema of policies
    Schema,
    /// Print the least privileges a provider needs, ready to paste
    Grants(GrantsArgs),
    /// Print a shell's completions
    Completions(CompletionsArgs),
    /// Write man pages into a folder
    Man(ManArgs),
}

/// Policies.
#[derive(Clone, Debug, Args)]
pub struct PathArgs {
    /// Policy files and folders; a folder means its `*.toml`
    #[arg(value_name = "PATH", default_value = "policies")]
    pub paths: Vec<PathBuf>,
}

/// Which resources.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectArgs {
    /// Only resources whose address matches GLOB; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,
    /// Not resources whose address matches GLOB; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
}

/// `plan`
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// Which policies.
    #[command(flatten)]
    pub policy: PathArgs,
    /// Which resources.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Save the plan as an approval for `apply --plan`
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also write the plan as FORMAT (text, json, markdown, html) to FILE, or to stdout with `-`; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    pub emit: Vec<Emit>,
    /// Print the plan as FORMAT
    #[arg(long = "as", value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Make HTML with this minijinja template instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Plan against a live state saved by `export`, with no system at all
    #[arg(long, value_name = "FILE")]
    pub live: Option<PathBuf>,
    /// Estimate from about N keys where looking at all is dear; applying looks at all of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..))]
    pub sample: Option<u64>,
    /// Exit 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `show`
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The saved plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Print it as FORMAT: text, json, markdown, html
    #[arg(long = "as", value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Make HTML with this minijinja template instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
}

/// `apply`
#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// Which policies.
    #[command(flatten)]
    pub policy: PathArgs,
    /// Which resources.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Apply no more than this saved plan approves
    #[arg(long, value_name = "FILE", conflicts_with = "expect")]
    pub plan: Option<PathBuf>,
    /// Apply only a plan of this digest
    #[arg(long, value_name = "DIGEST")]
    pub expect: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Allow a hazard or a guard, everywhere or where the address matches; may be repeated
    #[arg(long, value_name = "HAZARD[:GLOB]")]
    pub allow: Vec<String>,
    /// After a failure start nothing more, not even on other targets in the same stage
    #[arg(long)]
    pub fail_fast: bool,
    /// How long to wait for somebody else's lock
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub lock_timeout: Duration,
    /// Keep the journal in DIR
    #[arg(long, value_name = "DIR", env = "EVENKEEL_JOURNAL")]
    pub journal: Option<PathBuf>,
    /// Also write the plan as FORMAT (text, json, markdown, html) to FILE
    #[arg(long, value_name = "FORMAT=FILE")]
    pub emit: Vec<Emit>,
    /// Write what came of each step as JSON to FILE
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// `drift`
#[derive(Clone, Debug, Args)]
pub struct DriftArgs {
    /// Which policies.
    #[command(flatten)]
    pub policy: PathArgs,
    /// Which resources.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Also write the drift as FORMAT (text, json, markdown, html) to FILE; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    pub emit: Vec<Emit>,
    /// Print the drift as FORMAT
    #[arg(long = "as", value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Make HTML with this minijinja template instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Estimate from about N keys where looking at all is dear; applying looks at all of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..))]
    pub sample: Option<u64>,
    /// Write the live values into the policy files, comments kept
    #[arg(long)]
    pub adopt: bool,
    /// The exit code of drift, for schedulers that read 2 as failure
    #[arg(long, value_name = "N", default_value_t = super::exit::CHANGES)]
    pub drift_exit_code: u8,
}

/// `export`
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Targets, `postgres.shop`
    #[arg(value_name = "PROVIDER.TARGET", required = true)]
    pub targets: Vec<String>,
    /// The policy that says how to reach them
    #[arg(long, value_name = "PATH", default_value = "policies")]
    pub policy: Vec<PathBuf>,
    /// A setting of a target that no policy declares: `url=env:DATABASE_URL`, `path=shop.db`
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Write to FILE
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `demo`
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to; a new folder
    #[arg(value_name = "DIR", default_value = "evenkeel-demo")]
    pub dir: PathBuf,
}

/// `init`
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// Where to
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Fill the policy from a live system: `postgres.shop`
    #[arg(long, value_name = "PROVIDER.TARGET")]
    pub from: Option<String>,
    /// How to reach it: `url=env:DATABASE_URL`, `path=shop.db`
    #[arg(long, value_name = "KEY=VALUE", requires = "from")]
    pub set: Vec<String>,
}

/// `history`
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Only this run, with every step
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// The journal's folder
    #[arg(long, value_name = "DIR", env = "EVENKEEL_JOURNAL")]
    pub journal: Option<PathBuf>,
}

/// `invalidate`
#[derive(Clone, Debug, Args)]
pub struct InvalidateArgs {
    /// Which policies.
    #[command(flatten)]
    pub policy: PathArgs,
    /// Go on until Ctrl-C or SIGTERM instead of ending when nothing is due
    #[arg(long)]
    pub follow: bool,
}

/// `serve`
#[cfg(feature = "serve")]
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Which policies.
    #[command(flatten)]
    pub policy: PathArgs,
    /// Where /metrics and /healthz are
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9464")]
    pub listen: std::net::SocketAddr,
}

/// `unlock`
#[derive(Clone, Debug, Args)]
pub struct UnlockArgs {
    /// The target, `postgres.shop`
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Which policies.
    #[arg(long, value_name = "PATH", default_value = "policies")]
    pub policy: Vec<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// `explain`
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A hazard, diagnostic, provider, `provider.kind` or `provider.kind.attribute`; nothing lists them all
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// `grants`
#[derive(Clone, Debug, Args)]
pub struct GrantsArgs {
    /// The provider
    #[arg(value_name = "PROVIDER")]
    pub provider: String,
    /// What for
    #[arg(long = "for", value_name = "VERB", default_value = "apply", value_parser = ["plan", "apply"])]
    pub verb: String,
    /// The role's name
    #[arg(long, value_name = "NAME", default_value = "evenkeel")]
    pub role: String,
    /// The database's name, where there is one
    #[arg(long, value_name = "NAME", default_value = "shop")]
    pub database: String,
    /// The role that owns the tables, where there is one
    #[arg(long, value_name = "NAME", default_value = "shop_owner")]
    pub table_owner: String,
}

/// `completions`
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Where to
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<units::Duration>().map(units::Duration::std)
}
