//! Requests are served one at a time, in order of arrival, and never wait at a busy dyno. Times in the log are real.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use testkit::{DynoProcess, guest_path, log_field};

const REQUESTS: usize = 20;
/// Duration of each request, in milliseconds.
const SERVICE_MS: u64 = 50;
/// Rounding error of a sum of times: each time in a log line is truncated to milliseconds.
const ROUNDING_MS: u64 = 2;

/// A request as the router logged it. Times are in milliseconds.
#[derive(Clone, Debug)]
struct Logged {
    path: String,
    dyno: String,
    queue: u64,
    wait: u64,
    service: u64,
    end: u64,
}

impl Logged {
    fn read(line: &str) -> Logged {
        let at = line.split_once(' ').unwrap().0.replace("+00:00", "Z");
        let at = humantime::parse_rfc3339(&at).unwrap();
        let end = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let word = |name: &str| {
            let value = line.split_once(&format!(" {name}=")).unwrap().1;
            value
                .split(' ')
                .next()
                .unwrap()
                .trim_matches('"')
                .to_owned()
        };
        Logged {
            path: word("path"),
            dyno: word("dyno"),
            queue: log_field(line, "queue"),
            wait: log_field(line, "wait"),
            service: log_field(line, "service"),
            end: u64::try_from(end).unwrap(),
        }
    }

    fn begin(&self) -> u64 {
        self.end - self.service
    }
}

/// Waits for `count` requests in the log after `mark`, and returns them in order.
fn logged(local: &DynoProcess, mark: usize, count: usize) -> Vec<Logged> {
    let deadline = Instant::now() + testkit::PATIENCE;
    loop {
        let lines = local.lines().split_off(mark);
        let requests = lines.iter().filter(|line| line.contains(" dyno[router]: "));
        let requests: Vec<Logged> = requests.map(|line| Logged::read(line)).collect();
        if requests.len() >= count {
            return requests;
        }
        assert!(
            Instant::now() < deadline,
            "{} of {count} were logged",
            requests.len()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// A request as its client saw it.
struct Seen {
    number: usize,
    sent: Duration,
    took: Duration,
}

/// Sends [`REQUESTS`] at intervals of `gap`, and checks the answer of each.
fn ask(local: &DynoProcess, path: &str, gap: Duration) -> (Vec<Seen>, Duration) {
    let start = Barrier::new(REQUESTS + 1);
    let mut began = Instant::now();
    let seen = thread::scope(|scope| {
        let ask = |number: usize| {
            start.wait();
            thread::sleep(gap * u32::try_from(number).unwrap());
            let sent = Instant::now();
            let reply = local.get(&format!("{path}&id={number}"));
            assert_eq!(
                (reply.status, reply.complete),
                (200, true),
                "{}",
                reply.text()
            );
            (number, sent, sent.elapsed())
        };
        let clients: Vec<_> = (0..REQUESTS).map(|i| scope.spawn(move || ask(i))).collect();
        start.wait();
        began = Instant::now();
        let done = clients.into_iter().map(|client| client.join().unwrap());
        done.collect::<Vec<_>>()
    });
    let took = began.elapsed();
    let seen = seen.into_iter().map(|(number, sent, took)| Seen {
        number,
        sent: sent.saturating_duration_since(began),
        took,
    });
    (seen.collect(), took)
}

/// Checks that each dyno starts a request only after the previous one has taken its time. (The log line is written
/// after the answer has left, when the dyno may already serve the next request.)
fn assert_one_at_a_time(requests: &[Logged]) {
    for one in requests {
        let others = requests.iter().filter(|other| other.dyno == one.dyno);
        let later = others.filter(|other| (other.begin(), &other.path) > (one.begin(), &one.path));
        for other in later {
            let apart = other.begin() - one.begin();
            assert!(
                apart + ROUNDING_MS >= SERVICE_MS,
                "{one:?} overlaps {other:?}"
            );
        }
    }
}

/// Checks that a client waited at least for the queue and service times in the log.
fn assert_true(seen: &[Seen], requests: &[Logged]) {
    for client in seen {
        let id = format!("&id={}", client.number);
        let own = requests
            .iter()
            .find(|request| request.path.ends_with(&id))
            .unwrap();
        let took = u64::try_from(client.took.as_millis()).unwrap();
        assert!(own.service >= SERVICE_MS, "{own:?}");
        assert!(
            own.wait + own.service <= took + ROUNDING_MS,
            "{took} ms by {own:?}"
        );
    }
}

#[test]
fn one_dyno_serves_one_request_at_a_time_and_four_dynos_take_a_quarter_of_the_time() {
    let path = format!("/overlap?ms={SERVICE_MS}");
    let run = |formation: &str| {
        let local = DynoProcess::start_local(&guest_path("good"), &[formation]);
        let mark = local.line_count();
        let (seen, took) = ask(&local, &path, Duration::ZERO);
        let requests = logged(&local, mark, REQUESTS);
        assert_one_at_a_time(&requests);
        assert_true(&seen, &requests);
        assert!(local.stop().success());
        (took, requests)
    };
    let (one, requests) = run("web=1");
    assert!(
        one >= Duration::from_millis(SERVICE_MS * REQUESTS as u64),
        "{one:?}"
    );
    assert!(requests.iter().all(|request| request.dyno == "web.1"));
    assert!(requests.iter().any(|request| request.queue == 0));
    let wait_of_one: u64 = requests.iter().map(|request| request.wait).sum();
    let (four, requests) = run("web=4");
    let wait_of_four: u64 = requests.iter().map(|request| request.wait).sum();
    assert!(
        four >= Duration::from_millis(SERVICE_MS * REQUESTS as u64 / 4),
        "{four:?}"
    );
    // A quarter of the time, plus the time to send the requests, which is the same for both.
    assert!(four * 5 < one * 2, "{four:?} against {one:?}");
    let share = |dyno: &str| requests.iter().filter(|r| r.dyno == dyno).count();
    let most = ["web.1", "web.2", "web.3", "web.4"]
        .map(share)
        .into_iter()
        .max();
    assert!(most <= Some(REQUESTS / 4 + 1), "{requests:?}");
    assert!(
        wait_of_four * 2 < wait_of_one,
        "{wait_of_four} ms against {wait_of_one} ms"
    );
}

/// The first request occupies the only dyno until all others wait, so that the queue length grows by one each time.
#[test]
fn requests_are_answered_in_order_and_the_log_has_the_queue_length() {
    const HOLD: Duration = Duration::from_millis(600);
    const GAP: Duration = Duration::from_millis(15);
    /// With this interval, requests cannot overtake each other on their way to the router.
    const APART: Duration = Duration::from_millis(75);
    let local = DynoProcess::start_local(&guest_path("good"), &[]);
    let mark = local.line_count();
    let (seen, held) = thread::scope(|scope| {
        let hold = scope.spawn(|| local.get(&format!("/sleep?ms={}", HOLD.as_millis())));
        thread::sleep(APART);
        let (seen, _) = ask(&local, &format!("/sleep?ms={SERVICE_MS}"), GAP);
        (seen, hold.join().unwrap())
    });
    assert_eq!(held.status, 200);
    let requests = logged(&local, mark, REQUESTS + 1);
    let queues: Vec<u64> = requests.iter().map(|request| request.queue).collect();
    let first = requests[1].queue;
    // The queue length at arrival grows by one for each request, in the order of the answers.
    let expected: Vec<u64> = (first..first + REQUESTS as u64).collect();
    assert_eq!(
        (queues[0], &queues[1..]),
        (0, &expected[..]),
        "{requests:?}"
    );
    let place = |client: &Seen| {
        let id = format!("&id={}", client.number);
        requests
            .iter()
            .position(|request| request.path.ends_with(&id))
            .unwrap()
    };
    for (early, late) in seen.iter().flat_map(|a| seen.iter().map(move |b| (a, b))) {
        if early.sent + APART <= late.sent {
            assert!(
                place(early) < place(late),
                "{} before {}",
                late.number,
                early.number
            );
        }
    }
    assert_one_at_a_time(&requests[1..]);
    assert!(requests.is_sorted_by_key(Logged::begin), "{requests:?}");
    assert!(
        requests[REQUESTS].wait >= SERVICE_MS * (REQUESTS as u64 - 1),
        "{requests:?}"
    );
    assert_true(&seen, &requests);
}

#[test]
fn a_slow_request_delays_no_other_while_a_dyno_is_free() {
    const SLOW: &str = "/sleep?ms=3000";
    let local = DynoProcess::start_local(&guest_path("good"), &["web=2"]);
    let (slow, during) = thread::scope(|scope| {
        let slow = scope.spawn(|| local.get(SLOW));
        // The slow request gets its dyno within this time.
        thread::sleep(Duration::from_millis(400));
        let mut during = 0;
        while !slow.is_finished() {
            assert_eq!(local.get(&format!("/?short={during}")).status, 200);
            during += 1;
            thread::sleep(Duration::from_millis(5));
        }
        (slow.join().unwrap(), during)
    });
    assert_eq!(slow.status, 200);
    let requests = logged(&local, 0, during + 1);
    let at = requests
        .iter()
        .position(|request| request.path == SLOW)
        .unwrap();
    assert!(at >= 20, "only {at} short requests while the slow one ran");
    let slow = &requests[at];
    assert!(slow.service >= 3000 && slow.queue == 0, "{slow:?}");
    for short in &requests[..at] {
        assert_eq!((short.queue, short.wait), (0, 0), "{short:?}");
        assert_ne!(short.dyno, slow.dyno, "{short:?}");
    }
}
