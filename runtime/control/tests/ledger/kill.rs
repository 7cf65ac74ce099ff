//! A child process that appends to a ledger file, and is killed while it appends.

use crate::places::{InSqlite, Place, all, entry};
use control::ledger::{EntryId, LedgerEntry, Seq, SqliteLedger};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The number of kills.
const KILLS: u64 = 120;
/// The environment variable that makes this program the child; its value is the ledger's folder.
const FOLDER: &str = "DYNO_TEST_LEDGER";

/// Appends until killed, and prints each acknowledged entry.
#[tokio::test]
async fn child() {
    // The parent test starts this one with the variable set. Without the variable there is nothing to do.
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let ledger = SqliteLedger::open(&folder.join("ledger.db"), &folder.join("ledger.key"));
    let ledger: &dyn control::ledger::Ledger = &ledger.expect("opens");
    let mut last = *ledger.watch().borrow();
    let mut out = std::io::stdout();
    loop {
        let entry = entry("child");
        last = ledger.append(last, &entry).await.expect("appends");
        let id = u128::from_be_bytes(entry.id.bytes());
        let line = format!("kept {last} {id}\n");
        out.write_all(line.as_bytes()).expect("the test listens");
        out.flush().expect("the test listens");
    }
}

fn start(place: &InSqlite) -> Child {
    let folder = place.database();
    let folder = folder.parent().expect("in a folder");
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "kill::child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Starts the child, kills it at some point after `lines` entries, and returns the entries it acknowledged.
fn killed(place: &InSqlite, lines: usize, pause: Duration) -> BTreeMap<Seq, EntryId> {
    let mut child = start(place);
    let mut said = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut kept = BTreeMap::new();
    while kept.len() < lines {
        let line = said.next().expect("it goes on").expect("readable");
        kept.extend(parsed(&line));
    }
    std::thread::sleep(pause);
    child.kill().expect("it runs");
    child.wait().expect("it ended");
    // Entries printed between the last read and the kill.
    kept.extend(said.map_while(Result::ok).filter_map(|line| parsed(&line)));
    kept
}

fn parsed(line: &str) -> Option<(Seq, EntryId)> {
    let (at, id) = line.strip_prefix("kept ")?.split_once(' ')?;
    let id: u128 = id.parse().ok()?;
    Some((Seq(at.parse().ok()?), EntryId::from_bytes(id.to_be_bytes())))
}

/// Each kill may leave one stored entry that was not acknowledged yet.
#[tokio::test]
async fn acknowledged_entries_survive_every_kill() {
    let place = InSqlite::default();
    drop(place.open());
    let mut acknowledged = BTreeMap::new();
    for round in 0..KILLS {
        let pause = Duration::from_micros(round * 997 % 1_500);
        let lines = usize::try_from(round % 5).expect("small");
        acknowledged.extend(killed(&place, lines, pause));
        let kept: Vec<(Seq, LedgerEntry)> = all(&*place.open()).await;
        let ids: BTreeMap<Seq, EntryId> = kept.iter().map(|(at, e)| (*at, e.id)).collect();
        for (at, id) in &acknowledged {
            assert_eq!(ids.get(at), Some(id), "entry {at}, round {round}");
        }
        let untold = ids.len() - acknowledged.len();
        assert!(
            untold as u64 <= round + 1,
            "{untold} untold in round {round}"
        );
    }
    assert!(
        acknowledged.len() as u64 > KILLS,
        "it was killed while it worked"
    );
}
