//! The runtime socket: one line in, one answer out. HAProxy has no status codes, so an answer is judged by its severity and its words.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::error::{Error, ErrorKind, Result};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many bytes of commands go into one line; HAProxy's own limit is its buffer, 16 KiB unless tuned.
const LINE: usize = 6_000;

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// In the file system.
    Unix(PathBuf),
    /// On the network, `127.0.0.1:9999`.
    Tcp(String),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Socket {
    /// Reads `tcp://host:port`, `unix:///path` or a path.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("tcp://") {
            Some(address) => Self::Tcp(address.to_owned()),
            None => Self::Unix(PathBuf::from(text.strip_prefix("unix://").unwrap_or(text))),
        }
    }

    /// Asks one question and gives the whole answer.
    ///
    /// # Errors
    /// `Unreachable` where nobody listens, `Denied` where the socket's level is too low, `Failed` for what HAProxy does not know.
    pub async fn ask(&self, command: &str) -> Result<String> {
        let answer = self.exchange(command).await?;
        judge(command, answer.lines().next().unwrap_or_default())?;
        Ok(answer)
    }

    /// Has all of these commands run over one connection.
    ///
    /// # Errors
    /// As [`Socket::ask`], for the first command that fails; those before it have run.
    pub async fn run(&self, commands: &[String]) -> Result<()> {
        if commands.is_empty() {
            return Ok(());
        }
        let mut stream = self.connect().await?;
        let session = async {
            let one = |command: &str| vec![command.to_owned()];
            for command in ["prompt", "set severity-output number"] {
                self.line(&mut stream, &one(command)).await?;
            }
            let mut rest = commands;
            while !rest.is_empty() {
                let mut length = 0;
                let fits = rest.iter().take_while(|command| {
                    length += command.len() + 2;
                    length < LINE
                });
                let (now, later) = rest.split_at(fits.count().max(1));
                for (command, said) in now.iter().zip(self.line(&mut stream, now).await?) {
                    said.lines().try_for_each(|line| judge(command, line))?;
                }
                rest = later;
            }
            Ok(())
        };
        self.within(session).await
    }

    /// Has the master reload, and waits until it has taken the request.
    ///
    /// # Errors
    /// As [`Socket::ask`].
    pub async fn reload(&self) -> Result<String> {
        // The master closes the connection when it executes itself anew; that is the answer of versions before 2.7.
        self.exchange("reload").await
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Unix(path) => path.display().to_string(),
            Self::Tcp(address) => address.clone(),
        }
    }

    /// Sends commands on one line and gives the answer to each: every one is followed by a prompt.
    async fn line(&self, stream: &mut Box<dyn Stream>, commands: &[String]) -> Result<Vec<String>> {
        const PROMPT: &str = "\n> ";
        let line = commands.join("; ") + "\n";
        stream.write_all(line.as_bytes()).await.map_err(|error| self.cut(error))?;
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while text.matches(PROMPT).count() < commands.len() {
            match stream.read(&mut buffer).await.map_err(|error| self.cut(error))? {
                0 => return Err(self.cut(std::io::ErrorKind::UnexpectedEof.into())),
                n => text.push_str(&String::from_utf8_lossy(&buffer[..n])),
            }
        }
        Ok(text.split(PROMPT).map(str::to_owned).collect())
    }

    async fn exchange(&self, command: &str) -> Result<String> {
        let mut stream = self.connect().await?;
        self.within(async {
            let mut answer = Vec::new();
            stream.write_all(format!("{command}\n").as_bytes()).await.map_err(|error| self.cut(error))?;
            // The master answers only once it knows that nothing more is coming.
            stream.shutdown().await.map_err(|error| self.cut(error))?;
            stream.read_to_end(&mut answer).await.map_err(|error| self.cut(error))?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        })
        .await
    }

    async fn connect(&self) -> Result<Box<dyn Stream>> {
        let connecting = async {
            Ok::<Box<dyn Stream>, std::io::Error>(match self {
                Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Self::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            })
        };
        let connected = tokio::time::timeout(PATIENCE, connecting).await.unwrap_or_else(|_| {
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no connection within {PATIENCE:?}")))
        });
        connected.map_err(|error| {
            let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let kind = if denied { ErrorKind::Denied } else { ErrorKind::Unreachable };
            let hint = if denied {
                "run as a user whom `stats socket … user … group … mode …` lets in"
            } else {
                "check that haproxy runs and that its `stats socket` line names this place"
            };
            Error::new(kind, format!("cannot open the socket `{}`", self.place())).because(error).hint(hint)
        })
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| {
            let message = format!("no answer from `{}` within {PATIENCE:?}", self.place());
            Err(Error::new(ErrorKind::Transient, message))
        })
    }

    fn cut(&self, error: std::io::Error) -> Error {
        Error::new(ErrorKind::Transient, format!("the connection to `{}` was cut", self.place())).because(error)
    }
}

/// Whether one line of an answer says that it went well.
fn judge(command: &str, said: &str) -> Result<()> {
    let (severity, words) = match said.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
        Some((severity, words)) => (severity.parse().unwrap_or(6), words),
        None => (6_u8, said),
    };
    if words.starts_with("Permission denied") {
        return Err(Error::new(ErrorKind::Denied, format!("this socket may not `{command}`"))
            .hint("planning needs `level operator`, applying `level admin` on the `stats socket` line"));
    }
    if severity <= 3 || words.starts_with("Unknown command") || words.starts_with("This command is restricted") {
        return Err(Error::failed(format!("`{command}`: {}", words.trim().trim_end_matches('.'))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_by_severity_and_words() {
        let check = |said: &str, expected: Option<ErrorKind>| {
            assert_eq!(judge("x", said).err().map(|error| error.kind()), expected, "{said}");
        };
        check("", None);
        check("[6]: New server registered.", None);
        check("[4]: no need to change the addr", None);
        check("[3]: No such server.", Some(ErrorKind::Failed));
        check("[6]: Unknown command, but maybe one of the following ones is a better match:", Some(ErrorKind::Failed));
        check("Permission denied", Some(ErrorKind::Denied));
        check("web,n1,0,0", None);
    }
}
