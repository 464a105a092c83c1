//! No secret leaves the program.

use super::Subject;

/// Every verb, every format, every file it writes: none holds a planted secret, not even when things go wrong.
pub fn no_output_holds_a_secret<S: Subject>() {
    let subject = S::start();
    let secrets = subject.secrets();
    assert!(!secrets.is_empty(), "there is something to look for");
    let inputs = subject.folder().files();
    let verbs: &[&[&str]] = &[
        &["check"],
        &["--log", "trace", "plan"],
        &["plan", "-o", "plan.json"],
        &["plan", "--emit", "text=p.txt", "--emit", "json=p.json", "--emit", "markdown=p.md", "--emit", "html=p.html"],
        &["show", "plan.json", "--as", "json"],
        &["drift"],
        &["export", S::TARGET],
        &["--log", "trace", "apply", "--yes"],
        &["plan"],
        &["export", S::TARGET, "-o", "exported.toml"],
        &["history"],
        &["unlock", S::TARGET, "--yes"],
    ];
    let seen = |what: &str, text: &str| {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{what} holds `{secret}`:\n{text}");
        }
    };
    for verb in verbs {
        let output = subject.run(verb).output();
        // Where there is no lock, asking to release it is a mistake.
        let expected = if verb[0] == "unlock" && !S::LOCKS { [64; 2] } else { [0, 2] };
        assert!(output.code.is_some_and(|code| expected.contains(&code)), "{output}");
        seen(&verb.join(" "), &output.both());
    }
    // A server that is not there, and one that does not know the password.
    for broken in ["127.0.0.1:1", "localhost"] {
        let env: Vec<_> =
            subject.env().into_iter().map(|(name, value)| (name, value.replacen("127.0.0.1", broken, 1))).collect();
        for log in ["off", "trace"] {
            seen(broken, &subject.run(&["--log", log, "plan"]).envs(&env).output().both());
        }
    }
    let unknown: Vec<_> =
        subject.env().into_iter().map(|(name, value)| (name, value.replacen("://", "://x", 1))).collect();
    seen("a wrong user", &subject.run(&["--log", "trace", "plan"]).envs(&unknown).output().both());
    let written = subject.folder().files();
    assert!(written.len() > inputs.len(), "plans, reports and a journal were written");
    for (path, bytes) in written.into_iter().filter(|file| !inputs.contains(file)) {
        seen(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
    }
}
