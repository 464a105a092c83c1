//! Redis's own key patterns, for keys that many rules look at in one pass, and whether two patterns can meet in one key.

/// A compiled pattern: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a character that stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Any run of bytes.
    Run,
    /// One byte of this set.
    One(Set),
}

/// A set of bytes, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set([u64; 4]);

impl Set {
    const NONE: Self = Self([0; 4]);
    const ALL: Self = Self([u64::MAX; 4]);

    fn with(mut self, byte: u8) -> Self {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        self
    }

    fn has(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn not(self) -> Self {
        Self(self.0.map(|bits| !bits))
    }

    fn meets(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }
}

impl Glob {
    /// Compiles `pattern`; like Redis, takes every text for a pattern.
    pub fn new(pattern: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = pattern.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match (*first, tail) {
                (b'*', _) if parts.last() == Some(&Part::Run) => {}
                (b'*', _) => parts.push(Part::Run),
                (b'?', _) => parts.push(Part::One(Set::ALL)),
                (b'[', _) => {
                    let (set, after) = class(tail);
                    parts.push(Part::One(set));
                    rest = after;
                }
                (b'\\', [escaped, after @ ..]) => {
                    parts.push(Part::One(Set::NONE.with(*escaped)));
                    rest = after;
                }
                (byte, _) => parts.push(Part::One(Set::NONE.with(byte))),
            }
        }
        Self(parts)
    }

    /// Whether `key` is one of the pattern's.
    pub fn matches(&self, key: &[u8]) -> bool {
        let (mut at, mut next) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while next < key.len() {
            match self.0.get(at) {
                Some(Part::One(set)) if set.has(key[next]) => {
                    at += 1;
                    next += 1;
                }
                Some(Part::Run) if at + 1 == self.0.len() => return true,
                Some(Part::Run) => {
                    back = Some((at, next));
                    at += 1;
                }
                _ => match back {
                    // The last run takes one byte more.
                    Some((run, from)) => {
                        back = Some((run, from + 1));
                        at = run + 1;
                        next = from + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0[at..].iter().all(|part| *part == Part::Run)
    }

    /// Whether some key is both patterns'.
    pub fn meets(&self, other: &Self) -> bool {
        let (wide, high) = (other.0.len() + 1, self.0.len() + 1);
        let mut seen = vec![false; wide * high];
        let mut open = vec![(0, 0)];
        while let Some((a, b)) = open.pop() {
            if std::mem::replace(&mut seen[a * wide + b], true) {
                continue;
            }
            match (self.0.get(a), other.0.get(b)) {
                (None, None) => return true,
                (Some(Part::Run), Some(Part::Run)) => open.extend([(a + 1, b), (a, b + 1)]),
                (Some(Part::Run), there) => {
                    open.push((a + 1, b));
                    open.extend(there.map(|_| (a, b + 1)));
                }
                (here, Some(Part::Run)) => {
                    open.push((a, b + 1));
                    open.extend(here.map(|_| (a + 1, b)));
                }
                (Some(Part::One(x)), Some(Part::One(y))) if x.meets(*y) => open.push((a + 1, b + 1)),
                _ => {}
            }
        }
        false
    }
}

/// What stands between brackets, and the rest of the pattern. An open bracket at the end counts as closed there, as in Redis.
fn class(mut rest: &[u8]) -> (Set, &[u8]) {
    let negated = rest.first() == Some(&b'^');
    if negated {
        rest = &rest[1..];
    }
    let mut set = Set::NONE;
    loop {
        rest = match rest {
            [] => break,
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [b'\\', escaped, after @ ..] => {
                set = set.with(*escaped);
                after
            }
            [from, b'-', to, after @ ..] => {
                for byte in *from.min(to)..=*from.max(to) {
                    set = set.with(byte);
                }
                after
            }
            [byte, after @ ..] => {
                set = set.with(*byte);
                after
            }
        };
    }
    (if negated { set.not() } else { set }, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_redis_does() {
        let check = |pattern: &str, key: &str, expected: bool| {
            assert_eq!(Glob::new(pattern).matches(key.as_bytes()), expected, "{pattern} {key}");
        };
        check("session:*", "session:1", true);
        check("session:*", "sessions:1", false);
        check("*", "", true);
        check("a*b*c", "aXbYbZc", true);
        check("a*b*c", "aXbYbZ", false);
        check("h?llo", "hello", true);
        check("h[ae]llo", "hallo", true);
        check("h[^e]llo", "hello", false);
        check("h[c-a]llo", "hbllo", true);
        check("a\\*b", "a*b", true);
        check("a\\*b", "axb", false);
        check("[a", "a", true);
        check("", "", true);
        check("", "a", false);
    }

    #[test]
    fn patterns_meet_where_one_key_is_both() {
        let check = |a: &str, b: &str, expected: bool| {
            assert_eq!(Glob::new(a).meets(&Glob::new(b)), expected, "{a} {b}");
            assert_eq!(Glob::new(b).meets(&Glob::new(a)), expected, "{b} {a}");
        };
        check("session:*", "session:admin:*", true);
        check("session:*", "user:*", false);
        check("*:1", "user:*", true);
        check("a[0-4]", "a[5-9]", false);
        check("a?c", "ab*", true);
        check("", "*", true);
        check("", "?", false);
    }
}
