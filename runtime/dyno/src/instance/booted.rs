//! A booted instance of a handler.
//!
//! Owns how an instance boots, and how long it may be used. Must not know requests, nor who holds the dyno.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime_wasi_http::p3::bindings::Service;

use crate::code::quirks::InstanceLifetime;
use crate::code::{CodeLease, LinkedProgram};
use crate::engine::AwakePermit;
use crate::guest::{Guest, GuestConfig};
use crate::instance::call::GuestHandler;
use crate::instance::store::{BootContext, dyno_folders, new_store, wait_to_be_awake};
use crate::life::DynoLife;
use crate::release::PreparedProcess;

/// An instance that loses memory is replaced when less than this part of its memory is left: a quarter of what was
/// free after its first request.
const MEMORY_LEFT_PART: usize = 4;

const MIB: usize = 1024 * 1024;

/// A booted instance.
pub(crate) struct GuestInstance {
    pub(crate) store: Store<Guest>,
    pub(crate) handler: GuestHandler,
    pub(crate) life: Arc<DynoLife>,
    pub(crate) ready: Arc<PreparedProcess>,
    /// The linear memory after the first request, in bytes.
    first_memory: Option<usize>,
    /// Declared after the store, so that the code outlives the store.
    code: CodeLease,
    /// Declared last: when another dyno gets the permit, the slot of this store is free.
    permit: AwakePermit,
}

/// Instantiates a component and loads its app. The instance has served no request yet.
pub(crate) async fn boot_handler(
    context: &BootContext,
    ready: Arc<PreparedProcess>,
    life: Arc<DynoLife>,
) -> wasmtime::Result<Box<GuestInstance>> {
    let permit = wait_to_be_awake(context, &ready, &life).await;
    boot_in(context, ready, life, permit).await
}

async fn boot_in(
    context: &BootContext,
    ready: Arc<PreparedProcess>,
    life: Arc<DynoLife>,
    permit: AwakePermit,
) -> wasmtime::Result<Box<GuestInstance>> {
    let _running = context.engines.mark_guest_running();
    let code = CodeLease::take(Arc::clone(&ready.code), &context.engines).await?;
    let (env, args) = ready.start_for(&life.key.dyno, None)?;
    let files = dyno_folders(&ready, &life, context.home_of(&life.key));
    let guest = Guest::new(GuestConfig {
        env: &env,
        args: &args,
        limits: &ready.limits,
        network: context.network.for_app(&life.key.app),
        reach: ready.reachable_endpoints(),
        files,
        dyno_log: Arc::clone(&life.dyno_log),
        stdio: None,
        flavor: ready.code.flavor(),
        port: None,
    })?;
    let mut store = new_store(context, &ready, guest);
    let handler = instantiate(code.program(), &mut store).await;
    // Also after a failure: the last log line may explain it.
    store.data().flush_logs();
    Ok(Box::new(GuestInstance {
        store,
        handler: handler?,
        life,
        ready,
        first_memory: None,
        code,
        permit,
    }))
}

/// Instantiates a handler and loads its app, if the component has a boot hook.
async fn instantiate(
    pre: &LinkedProgram,
    store: &mut Store<Guest>,
) -> wasmtime::Result<GuestHandler> {
    let (instance, handler, hook) = match pre {
        LinkedProgram::P2(pre, hook) => {
            let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
            let handle = pre.handle_of(store, &instance)?;
            (instance, GuestHandler::P2(handle), hook)
        }
        LinkedProgram::P3(pre, hook) => {
            let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
            let service = Service::new(&mut *store, &instance)?;
            (instance, GuestHandler::P3(service), hook)
        }
        LinkedProgram::Run1(_) | LinkedProgram::Run2(_) | LinkedProgram::Run3(_) => {
            wasmtime::bail!("it is a command and answers no requests by itself")
        }
    };
    if let Some(hook) = hook {
        hook.load_app(store, &instance).await?;
    }
    Ok(handler)
}

impl GuestInstance {
    /// Whether the code is an interpreter that contains an app's program.
    pub(crate) fn is_interpreted(&self) -> bool {
        matches!(
            self.code.program(),
            LinkedProgram::P2(_, Some(_)) | LinkedProgram::P3(_, Some(_))
        )
    }

    /// Whether the instance can serve another request. If not, the next request needs a fresh instance.
    pub(crate) fn can_serve_again(&mut self) -> bool {
        if self.ready.code.lifetime == InstanceLifetime::OneRequest || !self.has_folders() {
            return false;
        }
        let Some(why) = self.replacement_reason() else {
            return true;
        };
        let line = format!("Started afresh: the app has {why}");
        self.life.dyno_log.write_platform_line(&line);
        false
    }

    /// The reason to replace the instance: it lost memory, or keeps too much open.
    fn replacement_reason(&mut self) -> Option<String> {
        if self.ready.code.lifetime == InstanceLifetime::UntilMemoryIsLow {
            if let Some(why) = self.memory_loss_reason() {
                return Some(why);
            }
            if let Some(open) = self.store.data().requests_in_excess() {
                let what = "outbound requests whose answers it has not read";
                return Some(format!("{open} {what}"));
            }
        }
        let kept = self.store.data_mut().handles_in_excess()?;
        let what = "handles of requests, streams and the like that it did not close";
        Some(format!("{kept} {what}"))
    }

    /// The text for the log, if the instance has lost most of the memory that was free after its first request.
    fn memory_loss_reason(&mut self) -> Option<String> {
        let (now, most) = self.store.data().limiter.memory_use();
        let first = *self.first_memory.get_or_insert(now);
        let (permit, taken) = (most.saturating_sub(first), now.saturating_sub(first));
        let (now, most) = (now / MIB, most / MIB);
        let lost = taken > 0 && taken >= permit - permit / MEMORY_LEFT_PART;
        let why = "and its language does not give back all of it";
        lost.then(|| format!("taken {now} of {most} MiB of memory, {why}"))
    }

    /// Whether the guest has its folders. If the disk could not provide them, this logs the reason and returns false,
    /// since the guest will not ask for them again.
    fn has_folders(&self) -> bool {
        let Some(why) = self.store.data().missing_folders() else {
            return true;
        };
        self.life.dyno_log.write_platform_line(&format!(
            "./tmp and ./log cannot be made: {why}; the app finds them read-only"
        ));
        false
    }

    /// Replaces this instance, which can serve no further request, by a fresh one of the same dyno.
    pub(crate) async fn replace(
        self: Box<Self>,
        context: &BootContext,
    ) -> wasmtime::Result<Box<GuestInstance>> {
        let GuestInstance {
            store,
            handler,
            life,
            ready,
            code,
            permit,
            ..
        } = *self;
        // The new instance needs this one's slot and folders.
        drop((store, handler));
        let instance = boot_in(context, ready, life, permit).await;
        drop(code);
        instance
    }
}
