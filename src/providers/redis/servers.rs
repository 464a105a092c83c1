//! The servers behind one target: the one, the primary that sentinels name, or every primary of a cluster. Found when first needed,
//! and found anew after a failure that may mean that they moved.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, Value};
use tokio::sync::Mutex;

use super::fault::{self, fault};
use super::reach::{Route, Settings};
use super::slot::{SLOTS, slot};
use crate::error::{Error, ErrorKind, Result};

/// How long one answer may take: a page of a scan, a batch of writes, a rewritten file.
const ANSWER: Duration = Duration::from_secs(30);
/// How long one connection may take to open.
const OPEN: Duration = Duration::from_secs(5);
/// How long a replica may take to confirm what was written.
const CONFIRMED: Duration = Duration::from_secs(1);

/// The servers of a target.
#[derive(Debug)]
pub struct Servers {
    settings: Settings,
    found: Mutex<Option<Arc<Shape>>>,
}

/// The primaries as they were found.
#[derive(Debug)]
pub struct Shape {
    /// At least one.
    pub nodes: Vec<Node>,
    /// The node of every slot; empty outside a cluster.
    owners: Vec<u16>,
}

/// One primary.
#[derive(Debug)]
pub struct Node {
    /// `host:port`, for messages.
    pub address: String,
    client: Client,
    link: MultiplexedConnection,
}

impl Servers {
    /// Servers that nobody has looked for yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, found: Mutex::new(None) }
    }

    /// The primaries, found and connected.
    ///
    /// # Errors
    /// `Unreachable`, `Denied`, or `Usage` for settings that do not fit what is there.
    pub async fn shape(&self) -> Result<Arc<Shape>> {
        let mut found = self.found.lock().await;
        if let Some(shape) = &*found {
            return Ok(shape.clone());
        }
        let shape = Arc::new(self.find().await?);
        *found = Some(shape.clone());
        Ok(shape)
    }

    /// Runs what `attempt` makes of the shape; after a failure that may mean that the servers moved, the next one looks for them again.
    ///
    /// # Errors
    /// Those of `attempt`.
    pub async fn with<T>(&self, attempt: impl AsyncFnOnce(Arc<Shape>) -> Result<T>) -> Result<T> {
        let result = match self.shape().await {
            Ok(shape) => attempt(shape).await,
            Err(error) => Err(error),
        };
        if result.as_ref().is_err_and(fault::is_stale) {
            self.forget().await;
        }
        result
    }

    /// The lives of all servers: the same as before where none was restarted and no other took over.
    ///
    /// # Errors
    /// As for [`Self::with`].
    pub async fn lives(&self) -> Result<Vec<String>> {
        let lives =
            async |shape: Arc<Shape>| futures_util::future::try_join_all(shape.nodes.iter().map(Node::life)).await;
        self.with(lives).await
    }

    /// Has them found anew when they are needed next.
    pub async fn forget(&self) {
        *self.found.lock().await = None;
    }

    async fn find(&self) -> Result<Shape> {
        match self.settings.route()? {
            Route::Direct(info) if self.settings.cluster => self.cluster(info).await,
            Route::Direct(info) => Ok(Shape { nodes: vec![self.node(info).await?], owners: Vec::new() }),
            Route::Sentinel { sentinels, master, primary } => {
                let addr = self.ask_sentinels(sentinels, &master, &primary).await?;
                let node = self.node(primary.set_addr(addr)).await?;
                let role: Vec<Value> = node.query(redis::cmd("ROLE").take()).await?;
                if role.first() != Some(&Value::BulkString(b"master".to_vec())) {
                    let message = format!("{} is named as the primary and is none yet", node.address);
                    return Err(Error::new(ErrorKind::Transient, message));
                }
                Ok(Shape { nodes: vec![node], owners: Vec::new() })
            }
        }
    }

    async fn ask_sentinels(
        &self,
        sentinels: Vec<ConnectionInfo>,
        master: &str,
        primary: &ConnectionInfo,
    ) -> Result<ConnectionAddr> {
        let mut refused = Vec::new();
        for info in sentinels {
            let address = info.addr().to_string();
            let asked = async {
                let sentinel = self.node(info).await?;
                let mut ask = redis::cmd("SENTINEL");
                ask.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
                sentinel.query::<Option<(String, u16)>>(ask).await
            };
            match asked.await {
                Ok(Some((host, port))) => return Ok(beside(primary.addr(), host, port)),
                Ok(None) => refused.push(format!("{address} knows no primary `{master}`")),
                Err(error) => refused.push(format!("{address}: {error}")),
            }
        }
        Err(Error::new(ErrorKind::Unreachable, format!("no sentinel names the primary: {}", refused.join("; "))))
    }

    async fn cluster(&self, seed: ConnectionInfo) -> Result<Shape> {
        let first = self.node(seed.clone()).await?;
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        let ranges: Vec<Value> = first.query(ask).await?;
        let mut shape = Shape { nodes: Vec::new(), owners: vec![u16::MAX; SLOTS] };
        for range in ranges {
            let Value::Array(parts) = range else { continue };
            let [Value::Int(from), Value::Int(to), Value::Array(primary), ..] = parts.as_slice() else { continue };
            let [host, Value::Int(port), ..] = primary.as_slice() else { continue };
            let host: String = redis::from_redis_value_ref(host).unwrap_or_default();
            let (Ok(port), Ok(from), Ok(to)) = (u16::try_from(*port), usize::try_from(*from), usize::try_from(*to))
            else {
                continue;
            };
            // A node that does not know its own name is the one that was asked.
            let addr = if host.is_empty() { seed.addr().clone() } else { beside(seed.addr(), host, port) };
            let address = addr.to_string();
            let known = shape.nodes.iter().position(|node| node.address == address);
            if known.is_none() {
                shape.nodes.push(self.node(seed.clone().set_addr(addr)).await?);
            }
            let index = known.unwrap_or(shape.nodes.len() - 1);
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            shape.owners.iter_mut().take(to + 1).skip(from).for_each(|owner| *owner = index);
        }
        match shape.owners.iter().position(|owner| *owner == u16::MAX) {
            Some(slot) => {
                Err(Error::new(ErrorKind::Transient, format!("slot {slot} of the cluster belongs to no primary"))
                    .hint("`redis-cli --cluster check` says what is missing"))
            }
            None => Ok(shape),
        }
    }

    async fn node(&self, info: ConnectionInfo) -> Result<Node> {
        let address = info.addr().to_string();
        let client = self.settings.client(info)?;
        let link = open(&client, &address).await?;
        Ok(Node { address, client, link })
    }
}

/// The same sort of address as `seed`, elsewhere.
fn beside(seed: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match seed.clone() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(host, port),
    }
}

async fn open(client: &Client, address: &str) -> Result<MultiplexedConnection> {
    // The library gives up after half a second by itself, which a page of a busy server may well take.
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(Some(ANSWER))
        .set_connection_timeout(Some(OPEN))
        .set_write_backpressure_boundary(256 * 1024);
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| {
        let error = match error.code() {
            Some(_) => fault(error),
            None if error.kind() == redis::ErrorKind::AuthenticationFailed => fault(error),
            None => {
                let is_distrusted = error.to_string().contains("certificate");
                let error = Error::new(ErrorKind::Unreachable, "it cannot be reached").because(error);
                if is_distrusted { error.hint("name the authority that signed its certificate as `ca`") } else { error }
            }
        };
        error.context(address)
    })
}

impl Shape {
    /// The only node, or the one that owns the slot of `key`.
    pub fn owner(&self, key: &[u8]) -> &Node {
        &self.nodes[self.owner_index(key)]
    }

    /// The position of the owner of `key` among the nodes.
    pub fn owner_index(&self, key: &[u8]) -> usize {
        if self.owners.is_empty() { 0 } else { usize::from(self.owners[usize::from(slot(key))]) }
    }

    /// Whether keys of one command must share a slot.
    pub fn is_cluster(&self) -> bool {
        !self.owners.is_empty()
    }
}

impl Node {
    /// The connection that everything shares; cheap to clone.
    pub fn link(&self) -> MultiplexedConnection {
        self.link.clone()
    }

    /// A further connection, for what must not wait behind the rest.
    ///
    /// # Errors
    /// As connecting does.
    pub async fn another(&self) -> Result<MultiplexedConnection> {
        open(&self.client, &self.address).await
    }

    /// What tells this life of the server from the one after a restart, and from any other server.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub async fn life(&self) -> Result<String> {
        let mut ask = redis::cmd("INFO");
        ask.arg("server");
        let about: String = self.query(ask).await?;
        let life = about.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        Ok(life.trim_end().to_owned())
    }

    /// Waits until a replica has what was written over this connection, where the server has replicas: what only the primary knows is
    /// lost if another takes over.
    ///
    /// # Errors
    /// `Transient` when none of them confirms it in time.
    pub async fn replicated(&self) -> Result<()> {
        let role: Vec<Value> = self.query(redis::cmd("ROLE").take()).await?;
        if !matches!(role.get(2), Some(Value::Array(replicas)) if !replicas.is_empty()) {
            return Ok(());
        }
        let mut wait = redis::cmd("WAIT");
        wait.arg(1).arg(CONFIRMED.as_millis());
        match self.query::<u64>(wait).await? {
            0 => {
                Err(Error::new(ErrorKind::Transient, format!("no replica of {} confirmed the deletions", self.address)))
            }
            _ => Ok(()),
        }
    }

    /// Sends one command.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub async fn query<T: FromRedisValue>(&self, command: Cmd) -> Result<T> {
        command.query_async(&mut self.link()).await.map_err(fault)
    }
}
