//! p
use super::style::Style;
use crate::apply::Event;
/// p
#[derive(Debug)]
pub struct Printer;
impl Printer {
    /// n
    pub fn new(_quiet: bool, _style: Style) -> Self {
        Self
    }
    /// o
    pub fn on(&mut self, event: &Event<'_>) {
        let _ = event;
    }
}
