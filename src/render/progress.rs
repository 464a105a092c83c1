//! What happens, told while it happens: lines for a log, bars for a terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::line::{Line, Role};
use super::style::Style;
use crate::apply::{Ending, Event, StepOutcome};
use crate::model::{Step, StepId, text};
use crate::provider::Tick;

/// A log is told of a running step's progress no more often than this, but of every new phase.
const QUIET: Duration = Duration::from_secs(10);

/// Listens to a run.
pub struct Listener {
    face: Face,
    style: Style,
    /// How many steps the run has, once one has started.
    of: usize,
}

enum Face {
    Log {
        out: Box<dyn Write + Send>,
        now: Box<dyn Fn() -> Duration + Send>,
        told: BTreeMap<StepId, (String, Duration)>,
    },
    Bars {
        bars: MultiProgress,
        running: BTreeMap<StepId, ProgressBar>,
    },
}

impl Listener {
    /// Writes lines to `out`. `now` tells the time since any fixed moment.
    pub fn log(out: Box<dyn Write + Send>, style: Style, now: impl Fn() -> Duration + Send + 'static) -> Self {
        Self { face: Face::Log { out, now: Box::new(now), told: BTreeMap::new() }, style, of: 0 }
    }

    /// Draws one bar per running step, and leaves a line when it ends.
    pub fn bars(bars: MultiProgress, style: Style) -> Self {
        Self { face: Face::Bars { bars, running: BTreeMap::new() }, style, of: 0 }
    }

    /// Tells of one event. An output that cannot be written to is no reason to stop a run: what happened is in the journal.
    pub fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Waiting { target, holder } => {
                self.say(&Line::new(Role::Notice, format!("waiting for the lock on {target}, held by {holder}")));
            }
            Event::Started { step, of } => {
                self.of = *of;
                self.start(step);
            }
            Event::Ticked { step, tick } => self.tick(step, tick),
            Event::Retrying { step, error, delay } => {
                let words = format!("trying again in {}: {error}", text::span(*delay));
                self.say(&self.line(step).with(Role::Notice, words));
            }
            Event::Ended { outcome, step } => self.end(outcome, step),
            Event::Interrupted => {
                let words = "called off: what is running is left to finish, the rest is not started";
                self.say(&Line::new(Role::Danger, words));
            }
        }
    }

    /// `[3/7] postgres.shop  build index users_by_tenant  `.
    fn line(&self, step: &Step) -> Line {
        let of = if self.of > 0 { format!("/{}", self.of) } else { String::new() };
        Line::new(Role::Quiet, format!("[{}{of}] {}  ", step.id.0, step.target))
            .with(Role::Plain, format!("{}  ", step.title))
    }

    fn say(&mut self, line: &Line) {
        let line = self.style.line(line).trim_end().to_owned();
        match &mut self.face {
            Face::Log { out, .. } => {
                let _ = writeln!(out, "{line}").and_then(|()| out.flush());
            }
            Face::Bars { bars, .. } => {
                let _ = bars.println(line);
            }
        }
    }

    fn start(&mut self, step: &Step) {
        let line = self.line(step);
        let text = self.style.line(&line);
        match &mut self.face {
            Face::Log { told, now, .. } => {
                told.insert(step.id, (String::new(), now()));
                self.say(&line);
            }
            Face::Bars { bars, running } => {
                let bar = bars.add(ProgressBar::no_length().with_style(spinner()).with_prefix(text));
                bar.enable_steady_tick(Duration::from_millis(120));
                running.insert(step.id, bar);
            }
        }
    }

    fn tick(&mut self, step: &Step, tick: &Tick) {
        let Tick { phase, done, total } = tick;
        let line = self.line(step).with(Role::Plain, phase).with(Role::Quiet, portion(*done, *total));
        match &mut self.face {
            Face::Log { now, told, .. } => {
                let time = now();
                let fresh =
                    told.get(&step.id).is_none_or(|(last, at)| last != phase || time.saturating_sub(*at) >= QUIET);
                if fresh {
                    told.insert(step.id, (phase.clone(), time));
                    self.say(&line);
                }
            }
            Face::Bars { running, .. } => {
                let Some(bar) = running.get(&step.id) else { return };
                bar.set_message(text::tame(phase));
                if *total > 0 {
                    bar.set_style(measured());
                    bar.set_length(*total);
                    bar.set_position((*done).min(*total));
                } else {
                    bar.set_style(spinner());
                }
            }
        }
    }

    fn end(&mut self, outcome: &StepOutcome, step: &Step) {
        match &mut self.face {
            Face::Log { told, .. } => {
                told.remove(&step.id);
            }
            Face::Bars { bars, running } => {
                if let Some(bar) = running.remove(&step.id) {
                    bar.finish_and_clear();
                    bars.remove(&bar);
                }
            }
        }
        let line = self.line(step);
        let because = outcome.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        let elapsed = text::span(outcome.elapsed);
        let line = match outcome.ending {
            Ending::Done => line.with(Role::Good, format!("done in {elapsed}")),
            Ending::Already => line.with(Role::Quiet, "already done"),
            Ending::Failed => line.with(Role::Danger, format!("failed after {elapsed}")).with(Role::Plain, because),
            Ending::Partly => {
                line.with(Role::Danger, format!("done in part after {elapsed}")).with(Role::Plain, because)
            }
            Ending::InDoubt => line.with(Role::Danger, "in doubt").with(Role::Plain, because),
            // Nothing happened; the report at the end tells of these.
            Ending::Skipped | Ending::Canceled => return,
        };
        self.say(&line);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

fn portion(done: u64, total: u64) -> String {
    // A phase whose end is not known has only a count.
    match (done, total) {
        (0, 0) => String::new(),
        (done, 0) => format!("  {}", text::thousands(done)),
        (done, total) => format!("  {}%", u128::from(done.min(total)) * 100 / u128::from(total)),
    }
}

fn spinner() -> ProgressStyle {
    template("{spinner} {prefix}{msg} {elapsed:.dim}")
}

fn measured() -> ProgressStyle {
    template("{spinner} {prefix}{msg} {bar:24} {percent}% {elapsed:.dim}").progress_chars("━╸ ")
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).expect("the templates above are valid")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;
    use crate::plan::samples::{self, Sample};

    /// Keeps what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<String>>);

    impl Kept {
        fn text(&self) -> String {
            self.0.lock().expect("nobody panicked").clone()
        }

        fn push(&self, text: &str) {
            self.0.lock().expect("nobody panicked").push_str(text);
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.push(&String::from_utf8_lossy(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl TermLike for Kept {
        fn width(&self) -> u16 {
            200
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.push(&format!("{text}\n"));
            Ok(())
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.push(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn step() -> Step {
        let sample = Sample::default().step(&["postgres.shop.index.users"], "create index …", |step| {
            step.title = "build index users".into();
        });
        sample.0.steps[0].clone()
    }

    fn ended(ending: Ending, message: Option<&str>) -> StepOutcome {
        StepOutcome {
            id: StepId(1),
            ending,
            message: message.map(Into::into),
            hint: None,
            elapsed: Duration::from_secs(75),
        }
    }

    fn tick(phase: &str, done: u64, total: u64) -> Tick {
        Tick { phase: phase.into(), done, total }
    }

    #[test]
    fn a_log_is_told_of_every_phase_and_of_progress_now_and_then() {
        let (kept, clock) = (Kept::default(), Arc::new(AtomicU64::new(0)));
        let now = clock.clone();
        let time = move || Duration::from_secs(now.load(Ordering::Relaxed));
        let mut listener = Listener::log(Box::new(kept.clone()), Style::default(), time);
        let step = step();
        listener.on(&Event::Waiting { target: &samples::target("postgres.shop"), holder: "ci@runner-7, pid 4711" });
        listener.on(&Event::Started { step: &step, of: 3 });
        for second in 0..25 {
            clock.store(second, Ordering::Relaxed);
            let phase = if second < 5 { "waiting for writers" } else { "scanning table" };
            listener
                .on(&Event::Ticked { step: &step, tick: &tick(phase, second * 4, if second < 5 { 0 } else { 100 }) });
        }
        let delay = Duration::from_secs(2);
        listener.on(&Event::Retrying { step: &step, error: "deadlock detected\u{1b}[2J", delay });
        listener.on(&Event::Ended { outcome: &ended(Ending::Done, None), step: &step });
        listener.on(&Event::Ended { outcome: &ended(Ending::Failed, Some("disk full")), step: &step });
        listener.on(&Event::Ended { outcome: &ended(Ending::Skipped, Some("because step 1 failed")), step: &step });
        listener.on(&Event::Interrupted);
        insta::assert_snapshot!(kept.text());
    }

    #[test]
    fn bars_leave_one_line_per_step() {
        let kept = Kept::default();
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(kept.clone())));
        let mut listener = Listener::bars(bars, Style::default());
        let step = step();
        listener.on(&Event::Started { step: &step, of: 3 });
        listener.on(&Event::Ticked { step: &step, tick: &tick("scanning table", 40, 100) });
        listener.on(&Event::Ended { outcome: &ended(Ending::Done, None), step: &step });
        let text = kept.text();
        assert!(text.contains("build index users"), "{text}");
        assert!(text.contains("[1/3] postgres.shop  build index users  done in 1 min"), "{text}");
    }
}
