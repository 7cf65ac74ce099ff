//! A real process that appends to a file and is killed during an append.

use crate::places::{InSqlite, Place, all, entry};
use control::ledger::{EntryId, LedgerEntry, Seq, SqliteLedger};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The number of kills.
const KILLS: u64 = 120;
/// The variable that marks this process as the child, with the path of the ledger.
const FOLDER: &str = "DYNO_TEST_LEDGER";

/// The child: appends entries until it is killed, and prints each entry that the ledger acknowledged.
#[tokio::test]
async fn child() {
    // The test beside this one starts it; started in another way, it does nothing.
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

/// Starts a process that appends, kills it at some moment after `lines` entries, and returns the entries that it
/// printed.
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
    // Entries that the child printed between the last read and its end.
    kept.extend(said.map_while(Result::ok).filter_map(|line| parsed(&line)));
    kept
}

fn parsed(line: &str) -> Option<(Seq, EntryId)> {
    let (at, id) = line.strip_prefix("kept ")?.split_once(' ')?;
    let id: u128 = id.parse().ok()?;
    Some((Seq(at.parse().ok()?), EntryId::from_bytes(id.to_be_bytes())))
}

/// Each kill may leave one entry that was written but not printed: the child was killed between the two.
#[tokio::test]
async fn what_was_acknowledged_survives_every_kill() {
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
