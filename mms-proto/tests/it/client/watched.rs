//! A connector that knows which connections are open, and can end them.

use mms_proto::client::{Connected, Connecting, Connector, Target, TcpConnector};
use segfetch_testkit::watched::Watch;

/// Counts what the connector under it has opened. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Watched<C = TcpConnector> {
    connector: C,
    watch: Watch,
}

impl Default for Watched {
    fn default() -> Self {
        Self::over(TcpConnector::default())
    }
}

impl<C> Watched<C> {
    pub(crate) fn over(connector: C) -> Self {
        Self { connector, watch: Watch::default() }
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.watch.open()
    }

    /// Ends all that are open, as a reset does.
    pub(crate) fn end_all(&self) {
        self.watch.end_all();
    }
}

impl<C: Connector + Clone> Connector for Watched<C> {
    fn connect(&self, target: Target) -> Connecting {
        let connecting = self.connector.connect(target);
        let watch = self.watch.clone();
        Box::pin(async move {
            let Connected { io, addresses } = connecting.await?;
            Ok(Connected { io: Box::new(watch.over(io)), addresses })
        })
    }
}
