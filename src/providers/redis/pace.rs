//! Going gently: how large a page may be and how long to rest between pages, learnt from what a bystander's command takes meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::servers::Node;
use crate::error::Result;

/// Keys a page asks for at first; about a fifth of a millisecond of a server.
const FIRST: usize = 200;
/// Keys a page asks for at most: more gains nothing and others wait longer.
const MOST: usize = 1_000;
/// Bytes of work that a server takes in at once; Redis reads 16 KB of a connection at a time. What is a little more takes two turns: the
/// next page is then looked for in the second one, and its answer waits for the end of that, with nothing left to do meanwhile.
const ROOM: usize = 15_000;
/// A page that is made smaller than this to fit costs more than it gains.
const FITTING: usize = 100;
/// Keys a page asks for at least; below that, pauses help more.
const LEAST: usize = 50;
/// Added to a page after every answer that came in time. Beside the eighth that is taken away after one that took long, about one answer
/// in thirteen takes more than half of what it may, and the slowest hundredth then stays below all of it.
const STEP: usize = 4;
/// The longest pause between two pages, in microseconds. With the least page that leaves a server 99 % to the others: if it is slow even
/// so, it is not slow because of us, and crawling would help nobody.
const LONGEST_PAUSE: u64 = 10_000;
/// How often the bystander asks.
const EVERY: Duration = Duration::from_millis(10);

/// What the bystander met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// An answer in less than half of the time that it may take.
    Quick,
    /// An answer in time, and not by much.
    Late,
    /// An answer that took longer than it may.
    Slow,
}

/// The page size and the pause, adjusted while it lives.
#[derive(Debug)]
pub struct Pace {
    dial: Arc<Dial>,
    bystander: JoinHandle<()>,
}

#[derive(Debug)]
struct Dial {
    page: AtomicUsize,
    /// What a page may be at most, by the work that it makes.
    most: AtomicUsize,
    pause_micros: AtomicU64,
}

impl Pace {
    /// Starts to watch what a command takes on a connection of its own, to keep it below `limit`.
    ///
    /// # Errors
    /// When that connection cannot be opened.
    pub async fn watch(node: &Node, limit: Duration) -> Result<Self> {
        let dial = Arc::new(Dial::new());
        let link = node.another().await?;
        let watched = dial.clone();
        let bystander = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                // One of its own each time: an answer that comes late must not be waited for.
                let mut asking = link.clone();
                let ping = redis::cmd("PING");
                let mut answer = std::pin::pin!(ping.exec_async(&mut asking));
                let mut met = Met::Quick;
                let mut answered = tokio::time::timeout(limit / 2, &mut answer).await;
                if answered.is_err() {
                    met = Met::Late;
                    answered = tokio::time::timeout(limit / 2, &mut answer).await;
                }
                watched.adjust(match answered {
                    Ok(Ok(())) => met,
                    // The pass itself will meet whatever this is, and report it.
                    Ok(Err(_)) => return,
                    Err(_) => Met::Slow,
                });
            }
        });
        Ok(Self { dial, bystander })
    }

    /// How many keys the next page should ask for.
    pub fn page(&self) -> usize {
        self.dial.page()
    }

    /// A page that asked for so many keys made work of so many bytes: the next ones are to fit.
    pub fn fit(&self, asked: usize, bytes: usize) {
        self.dial.fit(asked, bytes);
    }

    /// Rests as long as is called for.
    pub async fn rest(&self) {
        let pause = self.dial.pause_micros.load(Ordering::Relaxed);
        if pause > 0 {
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.bystander.abort();
    }
}

impl Dial {
    fn new() -> Self {
        Self { page: AtomicUsize::new(FIRST), most: AtomicUsize::new(MOST), pause_micros: AtomicU64::new(0) }
    }

    fn page(&self) -> usize {
        self.page.load(Ordering::Relaxed).min(self.most.load(Ordering::Relaxed))
    }

    fn fit(&self, asked: usize, bytes: usize) {
        let fitting = (asked * ROOM).checked_div(bytes).unwrap_or(MOST);
        self.most.store(if fitting < FITTING { MOST } else { fitting.min(MOST) }, Ordering::Relaxed);
    }

    /// Too slow: half the page, then longer pauses. Late: a little less. All well: shorter pauses, then a little more.
    fn adjust(&self, met: Met) {
        let (page, pause) = (self.page(), self.pause_micros.load(Ordering::Relaxed));
        let (page, pause) = match met {
            Met::Slow if page > LEAST => ((page / 2).max(LEAST), pause),
            Met::Slow => (page, (pause * 2).clamp(1_000, LONGEST_PAUSE)),
            Met::Late => ((page - page / 8).max(LEAST), pause),
            Met::Quick if pause > 1_000 => (page, pause / 2),
            Met::Quick if pause > 0 => (page, 0),
            Met::Quick => ((page + STEP).min(MOST), pause),
        };
        self.page.store(page, Ordering::Relaxed);
        self.pause_micros.store(pause, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_large_as_its_work_fits() {
        let dial = Dial::new();
        dial.page.store(MOST, Ordering::Relaxed);
        let fit = |asked, bytes| {
            dial.fit(asked, bytes);
            dial.page()
        };
        // Forty bytes a key, a hundred, and so many that fitting would make pages too small; then nothing but the page itself.
        let fitted =
            [(1_000, 40_000), (375, 37_500), (150, 60_000), (1_000, 0)].map(|(asked, bytes)| fit(asked, bytes));
        assert_eq!(fitted, [375, 150, 1_000, 1_000]);
        dial.fit(1_000, 40_000);
        dial.adjust(Met::Late);
        assert_eq!(dial.page(), 375 - 375 / 8);
    }

    #[test]
    fn a_slow_server_is_given_room_and_a_quick_one_is_used() {
        let dial = Dial::new();
        let mut told = Vec::new();
        let mut turn = |met: Met, times: usize| {
            for _ in 0..times {
                dial.adjust(met);
            }
            told.push((dial.page.load(Ordering::Relaxed), dial.pause_micros.load(Ordering::Relaxed)));
        };
        turn(Met::Quick, 20);
        turn(Met::Late, 1);
        turn(Met::Slow, 1);
        turn(Met::Slow, 2);
        turn(Met::Slow, 3);
        turn(Met::Slow, 20);
        turn(Met::Late, 20);
        turn(Met::Quick, 20);
        turn(Met::Quick, 200);
        let expected =
            [(280, 0), (245, 0), (122, 0), (50, 0), (50, 4_000), (50, 10_000), (50, 10_000), (110, 0), (910, 0)];
        assert_eq!(told, expected);
    }
}
