//! Five real nodes for a balancer, and the folder in which evenkeel runs.

use super::backend::Backend;
use super::folder::Folder;
use super::run::Run;

/// Where a balancer's pool is tried.
#[derive(Debug)]
pub struct Bench {
    /// Where evenkeel runs.
    pub folder: Folder,
    /// The nodes, `n1` to `n5`.
    pub nodes: Vec<(&'static str, Backend)>,
}

impl Bench {
    /// Starts the nodes; all are well.
    pub fn start() -> Self {
        let folder = Folder::new();
        let node = |name| (name, Backend::start(name, folder.file(&format!("sick-{name}"))));
        let nodes = ["n1", "n2", "n3", "n4", "n5"].map(node).into();
        Self { folder, nodes }
    }

    /// The nodes by their names.
    pub fn known(&self) -> Vec<(&str, &Backend)> {
        self.nodes.iter().map(|(name, node)| (*name, node)).collect()
    }

    /// A text with the address of a node in the place of every `[name]`.
    pub fn addressed(&self, text: &str) -> String {
        let put = |text: String, (name, node): &(&str, Backend)| text.replace(&format!("[{name}]"), &node.address());
        self.nodes.iter().fold(text.to_owned(), put)
    }

    /// Writes the policy, with addresses in the place of names.
    pub fn wants(&self, text: &str) {
        self.folder.write("policies/web.toml", &self.addressed(text));
    }

    /// evenkeel with these arguments.
    pub fn run(&self, args: &[&str]) -> Run {
        Run::new(&self.folder).args(args)
    }

    /// Applies the policy, allowing these hazards, and expects that nothing is left to do.
    #[track_caller]
    pub fn apply(&self, allow: &[&str]) {
        let mut args = vec!["apply", "--yes"];
        args.extend(allow.iter().flat_map(|code| ["--allow", code]));
        self.run(&args).code(0);
        self.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    }

    /// Has a node answer to its checks that it is not well.
    pub fn sick(&self, name: &str) {
        self.folder.write(&format!("sick-{name}"), "");
    }

    /// Has it answer that it is well again.
    pub fn well(&self, name: &str) {
        std::fs::remove_file(self.folder.file(&format!("sick-{name}"))).expect("it was sick");
    }
}
