//! Violations around one-offs and release processes: early, excess or repeated starts, and unrequested stops.

use super::*;
use crate::plan::place_one_off;
use crate::protocol::ProcessExit;

/// The fact of a new release with a release process.
fn release_with_process(number: u32) -> Fact {
    let Fact::ReleaseCreated { app, release } = release(number) else {
        unreachable!("it is one");
    };
    let mut release = Release::clone(&release);
    let spec = ProcessSpec {
        kind: ProcessKind::Process,
        limits: Arc::default(),
    };
    release.processes.insert(ProcessType::release(), spec);
    let release = Arc::new(release);
    Fact::ReleaseCreated { app, release }
}

/// Two web dynos of v1, and the running release process of v2.
fn preparing() -> (World, DynoKey) {
    let mut world = World::new();
    world.add(&release_with_process(2));
    world.settle();
    let mut dynos = world.observed.dynos.keys();
    let key = dynos.find(|key| key.dyno.process.is_release()).cloned();
    (world, key.expect("it runs"))
}

fn exited(world: &mut World, key: &DynoKey, code: u8) {
    let node = world.observed.dynos[key].node.clone();
    world.hear(&Report::Exited {
        node,
        dyno: key.clone(),
        exit: ProcessExit::Code(code),
    });
}

#[test]
fn a_start_before_the_release_process_succeeded_is_a_violation() {
    let (mut world, key) = preparing();
    let early = of(vec![world.start("web.3", 1, 2)]);
    let broken = world.broken_by(&early);
    assert!(broken.contains(&Invariant::Prepared), "{broken:?}");
    assert_eq!(world.plan().steps, [], "it runs");
    exited(&mut world, &key, 0);
    let plan = world.plan();
    assert_eq!(world.broken_by(&plan), []);
    let starts = |step: &&Step| matches!(step, Step::Start { .. });
    assert!(plan.steps.iter().any(|step| starts(&step)));
    let mut unwritten = plan.clone();
    unwritten
        .steps
        .retain(|step| !matches!(step, Step::Record { .. }));
    assert_eq!(world.broken_by(&unwritten), [Invariant::Prepared]);

    let (mut world, key) = preparing();
    exited(&mut world, &key, 3);
    world.settle();
    let app = &world.desired.apps[&app()];
    let reason = app.failed.values().next().map(String::as_str);
    assert_eq!(reason, Some("release command failed with exit code 3"));
    assert_eq!(
        app.target_release().map(|target| target.version),
        app.serving
    );
    let late = of(vec![world.start("web.3", 1, 2)]);
    assert!(world.broken_by(&late).contains(&Invariant::Prepared));
}

#[test]
fn a_second_or_repeated_release_process_is_a_violation() {
    let (mut world, key) = preparing();
    let again = |world: &World| {
        let dyno = DynoKey {
            run: world.observed.next_run,
            ..key.clone()
        };
        let release = world.release_id(Version::FIRST.next());
        let node = node(1);
        of(vec![Step::Run {
            node,
            dyno,
            release,
        }])
    };
    assert_eq!(world.broken_by(&again(&world)), [Invariant::OneAtATime]);
    world.add(&release_with_process(3));
    world.settle();
    let is_release = |key: &&DynoKey| key.dyno.process.is_release();
    let running = world.observed.dynos.keys().filter(is_release);
    assert_eq!(running.count(), 1, "the next one waits for its end");
    exited(&mut world, &key, 0);
    let plan = world.plan();
    world.carry_out(&plan);
    world.settle();
    let mut running = world.observed.dynos.iter();
    let running = running.find(|(key, _)| key.dyno.process.is_release());
    let (next, dyno) = running
        .map(|(key, dyno)| (key.clone(), dyno.release.version))
        .expect("v3's");
    assert_eq!(dyno.number(), 3);
    exited(&mut world, &next, 0);
    world.settle();
    assert_eq!(
        world.broken_by(&again(&world)),
        [Invariant::OneAtATime],
        "v2's has run"
    );
}

#[test]
fn draining_a_one_off_or_release_process_is_a_violation() {
    let (world, key) = preparing();
    let ends = |world: &World, key: &DynoKey| {
        let plan = of(vec![world.drain(key)]);
        let plan = Plan {
            wake_at: Some(world.now),
            ..plan
        };
        world.broken_by(&plan)
    };
    assert_eq!(ends(&world, &key), [Invariant::OwnEnd]);
    let mut world = World::new();
    let made = place_one_off(&world.desired, &world.observed, &app(), 1 << 20, world.now);
    let made = made.expect("there is room");
    assert_eq!(made.dyno.dyno.to_string(), "run.1");
    world.observed.start_one_off(&made, world.now);
    assert_eq!(ends(&world, &made.dyno), [Invariant::OwnEnd]);
    world.settle();
    assert!(world.observed.dynos.contains_key(&made.dyno));
    let before = world.observed.next_run;
    world.add(&Fact::AppDestroyed { app: app(), before });
    assert_eq!(ends(&world, &made.dyno), [], "its app is gone");
}
