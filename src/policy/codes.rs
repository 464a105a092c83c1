//! The codes of diagnostics: one table, so that whatever can be reported can also be explained.

macro_rules! codes {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $name: &str = $code;)*

        /// Every code with what it means, in the order in which a policy is read.
        pub static CODES: &[(&str, &str)] = &[$(($code, $doc)),*];
    };
}

codes! {
    NOT_UTF8 = "not-utf8", "A policy file is text in UTF-8; this one has a byte sequence that is none.";
    SYNTAX = "syntax", "The file is not valid TOML. Nothing of it is used until it is; the other files are still checked.";
    UNKNOWN_PROVIDER = "unknown-provider", "The first part of a table's name is a provider, such as `postgres`; this build has none of that name.";
    UNKNOWN_KIND = "unknown-kind", "The provider has no such kind of resource; `evenkeel explain PROVIDER` lists the kinds it has.";
    UNKNOWN_KEY = "unknown-key", "The table has no such key. Keys that mean nothing are refused, so that a typing error cannot be taken for a wish.";
    UNKNOWN_VALUE = "unknown-value", "The key takes one of a few words, and this is none of them.";
    MISSING_KEY = "missing-key", "A key that has no default is not written.";
    WRONG_TYPE = "wrong-type", "The value is of another type than the key takes: a text for a list, a number for a duration.";
    BAD_VALUE = "bad-value", "The value is of the right type but cannot be what is meant: out of range, or a duration that does not read as one.";
    BAD_NAME = "bad-name", "A name is empty or has characters that a name cannot have. Targets are named in letters, digits, `-` and `_`.";
    NEEDS_NAME = "needs-name", "There can be many resources of this kind, so each has a name: `[provider.target.kind.name]`.";
    TAKES_NO_NAME = "takes-no-name", "There is one resource of this kind on a target, so it has no name: `[provider.target.kind]`.";
    NEEDS_TARGET = "needs-target", "What is written directly under a provider belongs to no target: `[provider.target]` names one.";
    DUPLICATE = "duplicate", "The same resource or key is declared in two files. One of them must go; to vary by environment, use an overlay.";
    MISPLACED = "misplaced", "The key is one of the engine's own, and does not belong here.";
    NOT_PRUNABLE = "not-prunable", "`prune` owns the whole set of a kind and deletes what is not declared; resources of this kind cannot be deleted so.";
    MISSING_REFERENCE = "missing-reference", "The environment variable is not set, or the file cannot be read.";
    AFTER_NOTHING = "after-nothing", "A pattern in `after` matches no declared resource, so there is nothing to wait for.";
    AFTER_CYCLE = "after-cycle", "Resources wait for each other in a circle, so none could ever be done.";
    REJECTED = "rejected", "The provider, or the system itself, does not accept what is declared.";
    LIVE_STATE = "live-state", "A saved live state cannot be compared with the policy.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words_with_a_sentence() {
        for (i, (code, doc)) in CODES.iter().enumerate() {
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{code}");
            assert!(doc.ends_with('.'), "{code}: {doc}");
            assert!(CODES[..i].iter().all(|(earlier, _)| earlier != code), "{code} is there twice");
        }
    }
}
