//! Rows that one target reads for another: lines of JSON in blocks, handed over as they come, so that memory stays the same however many
//! there are.

use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};

/// Bytes after which a block is handed over.
const BLOCK: usize = 64 * 1024;
/// Blocks that wait to be taken.
const WAITING: usize = 4;

/// Takes rows, each one line of JSON.
#[derive(Debug)]
pub struct Sink {
    blocks: mpsc::Sender<Vec<u8>>,
    block: Vec<u8>,
    rows: u64,
}

/// A sink, and where what goes into it comes out: whole lines, each with its line feed.
pub fn sink() -> (Sink, mpsc::Receiver<Vec<u8>>) {
    let (blocks, taken) = mpsc::channel(WAITING);
    (Sink { blocks, block: Vec::with_capacity(BLOCK), rows: 0 }, taken)
}

impl Sink {
    /// Takes a row, an object in JSON without a line feed; waits while nobody takes what is there.
    ///
    /// # Errors
    /// When nobody wants rows any more.
    pub async fn put(&mut self, row: &str) -> Result<()> {
        self.rows += 1;
        self.block.extend_from_slice(row.as_bytes());
        self.block.push(b'\n');
        if self.block.len() >= BLOCK { self.flush().await } else { Ok(()) }
    }

    /// Hands over what there is.
    ///
    /// # Errors
    /// When nobody wants rows any more.
    pub async fn flush(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        self.blocks.send(block).await.map_err(|_| Error::new(ErrorKind::Failed, "nobody wants the rows any more"))
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_come_out_in_order_and_in_whole_lines() {
        let (mut sink, mut blocks) = sink();
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            let mut count = 0;
            while let Some(block) = blocks.recv().await {
                assert_eq!(block.last(), Some(&b'\n'));
                all.extend(block);
                count += 1;
            }
            (all, count)
        });
        let mut expected = String::new();
        for n in 0..40_000 {
            let row = format!("{{\"id\":{n}}}");
            sink.put(&row).await.expect("is taken");
            expected += &(row + "\n");
        }
        sink.flush().await.expect("is taken");
        assert_eq!(sink.rows(), 40_000);
        drop(sink);
        let (all, count) = reader.await.expect("ends");
        assert!(all == expected.as_bytes() && count > 5, "{count} blocks");
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_ends_the_rows() {
        let (mut sink, blocks) = sink();
        drop(blocks);
        sink.put("{}").await.expect("fits the block");
        sink.flush().await.expect_err("nobody is there");
    }
}
