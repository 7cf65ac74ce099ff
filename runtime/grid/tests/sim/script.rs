//! Scenario scripts: one command a line.
//!
//! Owns the words of a script. Must not know what follows from a command.
//!
//! ```text
//! seed 7 loss=5 repeat=5 late=200     chance, and per cent of lost and repeated reports, ms late at most
//! node n1 memory=512 dynos=9 remote   a node joins (MiB; `remote`: heartbeats are expected)
//! kill n1 | revive n1 | cut n1 | mend n1
//! split n2 n3                         the reconciler is cut off with these nodes, and another one takes over
//! join                                the cut heals
//! remove n1                           an operator removes a machine that is gone for good
//! app hello
//! deploy hello web worker boot=20ms|crash|never fetch=fail drain=5s memory=128 release=5s|fail|never
//! scale hello web=2 worker=1
//! rollback hello v1 | config hello | restart hello | restart hello web.1 | maintenance hello on
//! crash hello web.1 | serve hello web.1 | discard hello web.1
//! misboot hello web.1                 a dyno that slept fails to boot when it is woken
//! destroy hello | stop hello web.1 | resize hello web=256 | undomain hello hello.localhost
//! request hello count=5 every=10ms service=2s|never trap hangup=1s
//!                                     requests arrive; a guest takes so long, and traps then; a client leaves
//! once hello                          a one-off dyno starts
//! exit hello run.1 code=3             what runs once comes to its end
//! end hello run.1                     somebody asks for its end
//! set hello timeout=5s idle=30m|off   the app's own settings, all of them
//! policy cycle=60s idle=30m keep=3    the operator's, from here on; what is not named is off
//! reconciler                          another reconciler takes over
//! calm                                nothing goes wrong from here on
//! run 10s
//! rest                                fails unless what should run does, and nothing else
//! ```

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use grid::desired::{
    AppSettings, Fact, IdleSetting, Limits, ProcessKind, ProcessSpec, Release, RestartTarget,
};
use grid::name::{AppName, DynoId, Hostname, NodeId, ProcessType, SlugId};
use grid::plan::{Policy, RELEASES_KEPT};
use grid::protocol::{CrashCause, Heartbeats};

use crate::node::{Behaviour, Boot, Ending, SimNode};
use crate::requests::RequestKind;
use crate::rng::Rng;
use crate::world::{Faults, World};

const MIB: u64 = 1024 * 1024;
/// Duration of a request if the script gives none.
const SERVICE: Duration = Duration::from_millis(10);

/// Runs a script to its end or to the first failure.
pub(crate) fn run(text: &str) -> Result<World, String> {
    let mut world = World::new(0);
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        world.transcript.input(world.now, line);
        let words: Vec<&str> = line.split_whitespace().collect();
        command(&mut world, &words)
            .and_then(|()| world.break_off_requests())
            .map_err(|what| format!("line {}: {line}: {what}", number + 1))?;
    }
    Ok(world)
}

fn parse<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("what is {text}?"))
}

/// The value of `name=value` among the words.
fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words
        .iter()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn number(words: &[&str], name: &str, default: u64) -> Result<u64, String> {
    option(words, name).map_or(Ok(default), parse)
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Some(millis) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(parse(millis)?));
    }
    if let Some(minutes) = text.strip_suffix('m') {
        return Ok(Duration::from_secs(60 * parse::<u64>(minutes)?));
    }
    Ok(Duration::from_secs(parse(
        text.strip_suffix('s').unwrap_or(text),
    )?))
}

fn command(world: &mut World, words: &[&str]) -> Result<(), String> {
    match words {
        ["seed", seed, ..] => chance(world, parse(seed)?, words),
        ["node", node, ..] => join(world, node, words),
        [verb @ ("kill" | "revive" | "cut" | "mend"), node] => machine(world, verb, &parse(node)?),
        ["split", nodes @ ..] => {
            let nodes: Result<Vec<NodeId>, String> = nodes.iter().map(|id| parse(id)).collect();
            world.split(&nodes?)
        }
        ["join"] => {
            world.join_sides();
            world.decide()
        }
        ["remove", node] => remove(world, parse(node)?),
        ["app", app] => app_created(world, app),
        ["reconciler"] => world.replace_reconciler(),
        ["policy", ..] => policy(world, words),
        ["calm"] => {
            world.faults = Faults::default();
            Ok(())
        }
        ["run", time] => world.run(duration(time)?),
        ["rest"] => match world.unrest() {
            Some(what) => Err(format!("{what}\n{}", world.transcript.text())),
            None => Ok(()),
        },
        ["request", app, ..] => request(world, &parse(app)?, words),
        ["once", app] => world.begin(&parse(app)?),
        ["end", app, dyno] => world.end(&parse(app)?, &parse(dyno)?),
        ["exit", app, dyno, ..] => exit(world, &parse(app)?, &parse(dyno)?, words),
        [
            verb @ ("crash" | "misboot" | "serve" | "discard"),
            app,
            dyno,
        ] => happen(world, verb, &parse(app)?, &parse(dyno)?),
        [verb, app, rest @ ..] => intent(world, verb, &parse(app)?, rest),
        _ => Err("what?".into()),
    }
}

fn chance(world: &mut World, seed: u64, words: &[&str]) -> Result<(), String> {
    world.rng = Rng::new(seed);
    world.observed.seed = seed;
    world.faults = Faults {
        loss_percent: number(words, "loss", 0)?,
        repeat_percent: number(words, "repeat", 0)?,
        late_millis_max: number(words, "late", 0)?,
    };
    Ok(())
}

fn policy(world: &mut World, words: &[&str]) -> Result<(), String> {
    let time = |name| option(words, name).map(duration).transpose();
    let kept = number(words, "keep", RELEASES_KEPT as u64)?;
    world.policy = Policy {
        idle_after: time("idle")?,
        cycle_after: time("cycle")?,
        releases_kept: usize::try_from(kept).map_err(|e| e.to_string())?,
    };
    world.decide()
}

fn join(world: &mut World, node: &str, words: &[&str]) -> Result<(), String> {
    let remote = words.contains(&"remote");
    let heartbeats = if remote {
        Heartbeats::Expected
    } else {
        Heartbeats::Needless
    };
    let memory_bytes = number(words, "memory", 4_096)? * MIB;
    let dynos_max = u32::try_from(number(words, "dynos", 100)?).map_err(|e| e.to_string())?;
    world.join(SimNode::new(
        parse(node)?,
        heartbeats,
        memory_bytes,
        dynos_max,
    ))
}

fn machine(world: &mut World, verb: &str, id: &NodeId) -> Result<(), String> {
    let node = world.nodes.get_mut(id).ok_or("no such node")?;
    match verb {
        "kill" => node.die(),
        "revive" => node.revive(),
        "cut" => node.cut = true,
        _ => (node.cut, node.with_former) = (false, false),
    }
    world.send_inventory(id);
    Ok(())
}

/// Removes a machine. The command is refused for a machine that is heard, unknown, or the last one.
fn remove(world: &mut World, node: NodeId) -> Result<(), String> {
    let now = world.now;
    let silent = world.observed.nodes.get(&node);
    let silent = silent.is_some_and(|known| known.is_silent(now));
    let nodes = &world.desired.nodes;
    let known = nodes.contains(&node) && nodes.len() > 1;
    let Some(machine) = world.nodes.get_mut(&node).filter(|_| silent && known) else {
        return Ok(());
    };
    machine.die();
    machine.removed = true;
    world.append(Fact::NodeLeft { node })
}

/// Creates an app. Refused, as the command is, while leftovers of an earlier app of this name are known.
fn app_created(world: &mut World, app: &str) -> Result<(), String> {
    if world.observed.has_any_of(&parse(app)?) {
        return Err("something of it is still there".into());
    }
    let hostname = parse(&format!("{app}.localhost"))?;
    world.append(Fact::AppCreated {
        app: parse(app)?,
        hostnames: vec![hostname],
    })
}

/// A dyno crashes, serves or discards its instance. No effect if the dyno does not exist.
fn happen(world: &mut World, verb: &str, app: &AppName, dyno: &DynoId) -> Result<(), String> {
    let Some((id, key)) = world.find(app, dyno) else {
        return Ok(());
    };
    let Some(node) = world.nodes.get_mut(&id) else {
        return Ok(());
    };
    let report = match verb {
        // A dyno that is not up has no request that could crash.
        "crash" if node.dynos.get(&key).is_some_and(|dyno| dyno.up) => {
            node.crash(&key, CrashCause::Trap, "unreachable executed")
        }
        "crash" | "misboot" => node.crash(&key, CrashCause::Boot, "it failed to boot"),
        "discard" => node.crash(&key, CrashCause::Discarded, "the client hung up"),
        _ => {
            if let Some(dyno) = node.dynos.get_mut(&key) {
                dyno.served = dyno.up;
            }
            None
        }
    };
    report.into_iter().for_each(|report| world.say(report));
    Ok(())
}

fn request(world: &mut World, app: &AppName, words: &[&str]) -> Result<(), String> {
    let service = match option(words, "service") {
        Some("never") => None,
        Some(time) => Some(duration(time)?),
        None => Some(SERVICE),
    };
    let kind = RequestKind {
        service,
        traps: words.contains(&"trap"),
        hangup: option(words, "hangup").map(duration).transpose()?,
    };
    let every = option(words, "every").map_or(Ok(Duration::ZERO), duration)?;
    world.send_requests(app, kind, number(words, "count", 1)?, every)
}

/// A one-off or release process exits. No effect if the dyno does not exist.
fn exit(world: &mut World, app: &AppName, dyno: &DynoId, words: &[&str]) -> Result<(), String> {
    let code = u8::try_from(number(words, "code", 0)?).map_err(|e| e.to_string())?;
    let Some((id, key)) = world.find(app, dyno) else {
        return Ok(());
    };
    let node = world.nodes.get_mut(&id);
    let report = node.and_then(|node| node.exited(&key, code));
    report.into_iter().for_each(|report| world.say(report));
    Ok(())
}

fn intent(world: &mut World, verb: &str, app: &AppName, words: &[&str]) -> Result<(), String> {
    // A random script may name a destroyed app. The real command is rejected.
    if !world.desired.apps.contains_key(app) {
        return Ok(());
    }
    let before = world.observed.next_run;
    match (verb, words) {
        ("deploy", words) => deploy(world, app, words),
        ("scale", counts) => scale(world, app, counts),
        ("resize", [size]) => resize(world, app, size),
        ("set", words) => set(world, app, words),
        ("destroy", []) => world.append(Fact::AppDestroyed {
            app: app.clone(),
            before,
        }),
        ("stop", [dyno]) => world.append(Fact::DynoStopped {
            app: app.clone(),
            dyno: parse(dyno)?,
            before,
        }),
        ("undomain", [hostname]) => undomain(world, app, parse(hostname)?),
        ("restart", []) => world.append(Fact::RestartAsked {
            app: app.clone(),
            target: RestartTarget::All,
            before,
        }),
        ("restart", [dyno]) => {
            let target = RestartTarget::Dyno(parse(dyno)?);
            world.append(Fact::RestartAsked {
                app: app.clone(),
                target,
                before,
            })
        }
        ("maintenance", [on]) => world.append(Fact::MaintenanceSet {
            app: app.clone(),
            on: *on == "on",
        }),
        ("rollback", [version]) => again(world, app, Some(version)),
        ("config", []) => again(world, app, None),
        _ => Err("what?".into()),
    }
}

fn scale(world: &mut World, app: &AppName, counts: &[&str]) -> Result<(), String> {
    let before = world.observed.next_run;
    for count in counts {
        let (process, count) = count.split_once('=').ok_or("how many?")?;
        let (process, count) = (parse(process)?, parse(count)?);
        world.append(Fact::Scaled {
            app: app.clone(),
            process,
            count,
            before,
        })?;
    }
    Ok(())
}

/// Removes a hostname. Only random scripts name missing hostnames; the real command is rejected.
fn undomain(world: &mut World, app: &AppName, hostname: Hostname) -> Result<(), String> {
    let known = world.desired.apps.get(app);
    if !known.is_some_and(|app| app.hostnames.contains(&hostname)) {
        return Ok(());
    }
    let app = app.clone();
    world.append(Fact::DomainRemoved { app, hostname })
}

/// Sets the size for all later releases, and makes a release.
fn resize(world: &mut World, app: &AppName, size: &str) -> Result<(), String> {
    let (process, mib) = size.split_once('=').ok_or("how large?")?;
    world.append(Fact::Resized {
        app: app.clone(),
        process: parse(process)?,
        memory_bytes: Some(parse::<u64>(mib)? * MIB),
    })?;
    again(world, app, None)
}

fn set(world: &mut World, app: &AppName, words: &[&str]) -> Result<(), String> {
    let idle_after = match option(words, "idle") {
        None => IdleSetting::Default,
        Some("off") => IdleSetting::Off,
        Some(time) => IdleSetting::After(duration(time)?),
    };
    let request_timeout = option(words, "timeout").map(duration).transpose()?;
    let settings = AppSettings {
        request_timeout,
        idle_after,
    };
    world.append(Fact::AppSet {
        app: app.clone(),
        settings,
    })
}

/// Makes a release with the slug of an earlier release, by default the newest.
fn again(world: &mut World, app: &AppName, version: Option<&&str>) -> Result<(), String> {
    let known = world
        .desired
        .app(app)
        .map_err(|misfit| misfit.to_string())?;
    let old = match version {
        Some(version) => known.releases.get(&parse(version)?),
        None => known.newest_release(),
    };
    let Some(old) = old else { return Ok(()) };
    let mut release = Release {
        version: known.next_version(),
        ..Release::clone(old)
    };
    for (process, spec) in &mut release.processes {
        if let Some(bytes) = known.sizes.get(process) {
            Arc::make_mut(&mut spec.limits).memory_bytes = *bytes;
        }
    }
    world.append(Fact::ReleaseCreated {
        app: app.clone(),
        release: Arc::new(release),
    })
}

fn deploy(world: &mut World, app: &AppName, words: &[&str]) -> Result<(), String> {
    let slug = SlugId::new([u8::try_from(world.behaviours.len()).map_err(|e| e.to_string())?; 32]);
    world.behaviours.insert(slug, behaviour(words)?);
    let memory_bytes = number(words, "memory", 128)? * MIB;
    let mut processes = BTreeMap::new();
    let release = option(words, "release").map(|_| "release");
    let names = words.iter().filter(|word| !word.contains('='));
    for name in names.copied().chain(release) {
        let process: ProcessType = parse(name)?;
        let kind = if process.is_web() {
            ProcessKind::Handler
        } else {
            ProcessKind::Process
        };
        let limits = Limits {
            memory_bytes,
            ..Limits::default()
        };
        processes.insert(
            process,
            ProcessSpec {
                kind,
                limits: Arc::new(limits),
            },
        );
    }
    let known = world
        .desired
        .app(app)
        .map_err(|misfit| misfit.to_string())?;
    let release = Release {
        version: known.next_version(),
        slug,
        description: "Deploy".into(),
        config: Arc::default(),
        processes,
        created_ms: 0,
        created_by: String::new(),
        reach: Default::default(),
    };
    world.append(Fact::ReleaseCreated {
        app: app.clone(),
        release: Arc::new(release),
    })
}

fn behaviour(words: &[&str]) -> Result<Behaviour, String> {
    let mut behaviour = Behaviour::GOOD;
    match option(words, "boot") {
        Some("crash") => behaviour.boot = Boot::Crash(Duration::from_millis(20)),
        Some("never") => behaviour.boot = Boot::Never,
        Some(time) => behaviour.boot = Boot::Up(duration(time)?),
        None => {}
    }
    behaviour.fetches = option(words, "fetch") != Some("fail");
    if let Some(time) = option(words, "drain") {
        behaviour.drain = duration(time)?;
    }
    match option(words, "release") {
        Some("fail") => behaviour.release = Ending::Code(Duration::from_millis(200), 3),
        Some("never") => behaviour.release = Ending::Never,
        Some(time) => behaviour.release = Ending::Code(duration(time)?, 0),
        None => {}
    }
    Ok(behaviour)
}
