//! What a dyno is while it runs no call.

use std::sync::Arc;

use crate::instance::booted::{Instance, boot};
use crate::instance::store::BootContext;
use crate::life::Life;
use crate::program::server::Server;
use crate::release::Ready;

/// A dyno that runs no call.
pub(crate) enum Form {
    /// With an instance, which takes the next request.
    Awake(Box<Instance>),
    /// Without one: the next request makes it first.
    Asleep(Arc<Ready>),
    /// A server, whose program runs by itself.
    Serving(Box<Server>),
}

impl Form {
    /// The instance, made now if the dyno slept; and whether it did.
    pub(crate) async fn wake(
        self,
        context: &BootContext,
        life: &Arc<Life>,
    ) -> wasmtime::Result<(Box<Instance>, bool)> {
        let ready = match self {
            Form::Awake(instance) => return Ok((instance, false)),
            Form::Asleep(ready) => ready,
            Form::Serving(_) => wasmtime::bail!("a server has no instance to call"),
        };
        // Boxed, so that calls of dynos that are awake need no room for a boot.
        let instance = Box::pin(boot(context, ready, Arc::clone(life))).await?;
        Ok((instance, true))
    }
}
