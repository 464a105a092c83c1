//! What differs from run to run, named instead of shown, so that outputs can be kept as snapshots.

use super::folder::Folder;

/// Settings for insta under which an output of a run in `folder` is the same every time.
pub fn redactions(folder: &Folder) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(&escape(&folder.path().display().to_string()), "[folder]");
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[digest]");
    settings.add_filter(r"(?i)\bdigest [0-9a-f]{4,64}(…|\b)", "Digest [digest]");
    settings.add_filter(r"\b\d{8}T\d{6}Z?-[0-9a-f]+\b", "[run]");
    settings.add_filter(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "[time]");
    settings.add_filter(r"\bpid \d+", "pid [pid]");
    settings.add_filter(r"\b\d+(\.\d+)? (ms|µs)\b", "[elapsed]");
    settings.add_filter(r"\bin \d+(\.\d+)? ?s\b", "in [elapsed]");
    settings
}

fn escape(text: &str) -> String {
    text.chars().flat_map(|c| (!c.is_ascii_alphanumeric() && c != '/').then_some('\\').into_iter().chain([c])).collect()
}

#[test]
fn outputs_are_the_same_every_time() {
    let folder = Folder::new();
    let text =
        format!("{}/x 127.0.0.1:5432 {} took 3.1 ms at 2026-11-23T08:00:00Z", folder.path().display(), "a".repeat(64));
    redactions(&folder)
        .bind(|| insta::assert_snapshot!(text, @"[folder]/x 127.0.0.1:[port] [digest] took [elapsed] at [time]"));
}
