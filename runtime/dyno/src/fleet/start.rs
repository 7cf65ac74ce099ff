//! How a dyno of this machine starts: asleep, as an instance, or as a program in a task of its own.
//!
//! Must not know what becomes of a dyno that is up.

use std::sync::Arc;

use grid::desired::ProcessKind;
use grid::name::{DynoKey, ReleaseId};
use grid::protocol::CrashCause;

use crate::crash::{DynoCrash, describe_boot_failure};
use crate::engine::shared_core::{OnSharedCore, SharedCore};
use crate::fleet::form::DynoForm;
use crate::fleet::shared::{DynoPlace, FleetDyno, FleetShared};
use crate::instance::booted::boot_handler;
use crate::life::DynoLife;
use crate::program::background::BackgroundProgram;
use crate::release::PreparedProcess;

/// Starts a dyno of a release that is ready; without such a release, reports a crash.
///
/// An `asleep` dyno boots at its first request.
pub(super) fn start_dyno(
    shared: &Arc<FleetShared>,
    key: DynoKey,
    release: ReleaseId,
    asleep: bool,
) {
    let mut state = shared.state();
    if state.dynos.contains_key(&key) {
        return;
    }
    let processes = state.releases.get(&(key.app.clone(), release));
    let ready = processes.and_then(|p| p.get(&key.dyno.process)).cloned();
    let life = Arc::new(DynoLife::new(key.clone(), Arc::new(shared.log_of(&key))));
    let Some(ready) = ready else {
        drop(state);
        let reason = format!("{release} has no {} that runs here", key.dyno.process);
        return shared.report_crash(
            &life,
            DynoCrash {
                reason,
                cause: CrashCause::Boot,
                in_request: false,
            },
        );
    };
    let core = shared.replacements.take_core(&key);
    let (place, program) = if ready.kind != ProcessKind::Handler {
        let program = start_program(shared, ready, &life, core);
        (DynoPlace::InUse, Some(program))
    } else if asleep {
        ready.release_if_idle();
        (DynoPlace::Parked(DynoForm::Asleep(ready)), None)
    } else {
        (start_instance(shared, ready, Arc::clone(&life), core), None)
    };
    let is_asleep = matches!(place, DynoPlace::Parked(_));
    let entry = FleetDyno {
        life,
        place,
        draining: false,
        program,
    };
    state.dynos.insert(key.clone(), entry);
    drop(state);
    if is_asleep {
        shared.report_idle(&key);
    }
}

/// Boots an instance in a task of its own.
fn start_instance(
    shared: &Arc<FleetShared>,
    ready: Arc<PreparedProcess>,
    life: Arc<DynoLife>,
    core: Option<SharedCore>,
) -> DynoPlace {
    let shared = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let permit = SharedCore::wait_for_permit(core.as_ref()).await;
        let boot = Box::pin(boot_handler(&shared.context, ready, Arc::clone(&life)));
        let booted = OnSharedCore::new(core, boot).await;
        drop(permit);
        match booted {
            Ok(instance) => shared.note_up(&life, Some(DynoForm::Awake(instance))),
            Err(error) => shared.note_ended(&life, describe_boot_failure(&error, &life.dyno_log)),
        }
    });
    DynoPlace::Starting(task.abort_handle())
}

/// Starts the program of a dyno in a task of its own, which notes when the program is up and when it has ended.
fn start_program(
    shared: &Arc<FleetShared>,
    ready: Arc<PreparedProcess>,
    life: &Arc<DynoLife>,
    core: Option<SharedCore>,
) -> BackgroundProgram {
    let port = (ready.kind == ProcessKind::Server).then(|| shared.ports.take_port());
    let on_up = {
        let (shared, life) = (Arc::clone(shared), Arc::clone(life));
        move |server: Option<_>| {
            let form = server.map(|server| DynoForm::Serving(Box::new(server)));
            shared.note_up(&life, form);
        }
    };
    let on_end = {
        let (shared, life) = (Arc::clone(shared), Arc::clone(life));
        move || shared.note_program_ended(&life)
    };
    BackgroundProgram::start(&shared.context, ready, life, (port, core), on_up, on_end)
}
