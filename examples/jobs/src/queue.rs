//! The jobs, in Redis.
//!
//! A job waits in a list. A worker moves it to a list of its own while it works on it, so that a job whose worker died
//! is not lost: the worker of that name takes it up again when it starts; if none starts, the clock gives it back to
//! those that wait, once the worker's heartbeat is gone. A job may so be done twice, never not at all.
//!
//! | key | holds |
//! |---|---|
//! | `jobs:waiting` | the numbers of jobs that wait, the oldest at the right |
//! | `jobs:at:worker.1` | what that worker is doing |
//! | `jobs:workers` | the names of workers that may have such a list |
//! | `jobs:alive:worker.1` | a worker's heartbeat, which goes by itself |
//! | `jobs:recent` | the numbers of all jobs that are remembered, the newest at the left |
//! | `jobs:job:7` | one job: `number`, `state`, `result`, `by` |
//! | `jobs:last` | the number of the newest job |

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use redis::{Commands, Connection, Direction, Pipeline, RedisResult};

/// Jobs that may wait at a time.
pub const WAITING_MAX: usize = 1_000;
/// Jobs that are remembered; the clock forgets the others.
const REMEMBERED: isize = 100;
/// A job is forgotten after a day in any case.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a worker waits for a job before it looks around.
const WAIT_SECONDS: f64 = 5.0;
/// How long a worker counts as alive since it last took a job or waited for one: far longer than the longest job takes.
const ALIVE_SECONDS: u64 = 60;
/// How long Redis may take to let us in.
const PATIENCE: Duration = Duration::from_secs(5);

/// One job, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: u64,
    /// What is to be factorised.
    pub number: String,
    /// `waiting`, `working` or `done`.
    pub state: String,
    /// Once it is done.
    pub result: String,
    /// The dyno that did it.
    pub by: String,
}

/// A connection to Redis, and what our keys begin with.
pub struct Queue {
    redis: Connection,
    prefix: String,
}

impl Queue {
    /// Connects to `REDIS_URL`. On a server shared with others our keys begin with `REDIS_PREFIX`.
    pub fn connect() -> Result<Queue, String> {
        let url = env::var("REDIS_URL").map_err(|_| "REDIS_URL is not set".to_owned())?;
        // What the error says may hold the password.
        let client =
            redis::Client::open(url).map_err(|_| "REDIS_URL is not a URL of Redis".to_owned())?;
        let redis = client.get_connection_with_timeout(PATIENCE);
        let redis = redis.map_err(|error| format!("Redis cannot be reached: {error}"))?;
        let prefix = match env::var("REDIS_PREFIX") {
            Ok(prefix) if !prefix.is_empty() => format!("{prefix}:jobs:"),
            _ => "jobs:".to_owned(),
        };
        Ok(Queue { redis, prefix })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Adds a job; none if too many wait already.
    pub fn add(&mut self, number: u64) -> RedisResult<Option<u64>> {
        let (waiting, recent) = (self.key("waiting"), self.key("recent"));
        let length: usize = self.redis.llen(&waiting)?;
        if length >= WAITING_MAX {
            return Ok(None);
        }
        let id: u64 = self.redis.incr(self.key("last"), 1)?;
        let job = self.key(&format!("job:{id}"));
        redis::pipe()
            .atomic()
            .hset_multiple(
                &job,
                &[
                    ("number", number.to_string()),
                    ("state", "waiting".to_owned()),
                ],
            )
            .expire(&job, KEPT.as_secs() as i64)
            .lpush(&recent, id)
            .lpush(&waiting, id)
            .exec(&mut self.redis)?;
        Ok(Some(id))
    }

    /// The newest jobs first.
    pub fn recent(&mut self) -> RedisResult<Vec<Job>> {
        let ids: Vec<u64> = self.redis.lrange(self.key("recent"), 0, 19)?;
        let mut all = redis::pipe();
        for id in &ids {
            all.hgetall(self.key(&format!("job:{id}")));
        }
        let found: Vec<HashMap<String, String>> = match ids.is_empty() {
            true => Vec::new(),
            false => all.query(&mut self.redis)?,
        };
        let jobs = ids.into_iter().zip(found);
        Ok(jobs
            .filter(|(_, fields)| !fields.is_empty())
            .map(job)
            .collect())
    }

    /// The next job for this worker: one that it had when it died, else the one that has waited longest. None for a
    /// while is no error.
    pub fn take(&mut self, worker: &str) -> RedisResult<Option<Job>> {
        let (waiting, mine) = (self.key("waiting"), self.key(&format!("at:{worker}")));
        let mut look = self.heartbeat(worker);
        let (unfinished,): (Option<u64>,) = look.lindex(&mine, -1).query(&mut self.redis)?;
        let id = match unfinished {
            Some(id) => Some(id),
            None => {
                // In one go with the heartbeat, so that no job comes into a list that the clock does not know.
                let mut next = self.heartbeat(worker);
                next.blmove(
                    &waiting,
                    &mine,
                    Direction::Right,
                    Direction::Left,
                    WAIT_SECONDS,
                );
                let (id,): (Option<u64>,) = next.query(&mut self.redis)?;
                id
            }
        };
        let Some(id) = id else { return Ok(None) };
        let key = self.key(&format!("job:{id}"));
        let fields: HashMap<String, String> = self.redis.hgetall(&key)?;
        if fields.is_empty() {
            // Forgotten meanwhile: nobody waits for it.
            let _: () = self.redis.lrem(&mine, 1, id)?;
            return Ok(None);
        }
        let _: () = self
            .redis
            .hset_multiple(&key, &[("state", "working"), ("by", worker)])?;
        Ok(Some(job((id, fields))))
    }

    /// Notes what came of a job.
    pub fn done(&mut self, worker: &str, id: u64, result: &str) -> RedisResult<()> {
        let (key, mine) = (
            self.key(&format!("job:{id}")),
            self.key(&format!("at:{worker}")),
        );
        redis::pipe()
            .atomic()
            .hset_multiple(
                &key,
                &[("state", "done"), ("result", result), ("by", worker)],
            )
            .expire(&key, KEPT.as_secs() as i64)
            .lrem(&mine, 1, id)
            .exec(&mut self.redis)
    }

    /// What tells the clock that there is such a worker; other commands may follow.
    fn heartbeat(&self, worker: &str) -> Pipeline {
        let mut commands = redis::pipe();
        commands
            .sadd(self.key("workers"), worker)
            .ignore()
            .set_ex(self.key(&format!("alive:{worker}")), "", ALIVE_SECONDS)
            .ignore();
        commands
    }

    /// Gives back what workers had that are gone, and forgets these. Says how many jobs there were.
    pub fn rescue(&mut self) -> RedisResult<usize> {
        let workers = self.key("workers");
        let names: Vec<String> = self.redis.smembers(&workers)?;
        let mut rescued = 0;
        for name in names {
            let moved: usize = redis::cmd("EVAL")
                .arg(include_str!("rescue.lua"))
                .arg(4)
                .arg(self.key(&format!("alive:{name}")))
                .arg(self.key(&format!("at:{name}")))
                .arg(self.key("waiting"))
                .arg(&workers)
                .arg(&name)
                .query(&mut self.redis)?;
            rescued += moved;
        }
        Ok(rescued)
    }

    /// Forgets all but the newest jobs that are done. Says how many there were.
    pub fn tidy(&mut self) -> RedisResult<usize> {
        let recent = self.key("recent");
        let old: Vec<u64> = self.redis.lrange(&recent, REMEMBERED, -1)?;
        let mut forgotten = 0;
        for id in old {
            let key = self.key(&format!("job:{id}"));
            let state: Option<String> = self.redis.hget(&key, "state")?;
            if state.as_deref().is_none_or(|state| state == "done") {
                redis::pipe()
                    .atomic()
                    .del(&key)
                    .lrem(&recent, -1, id)
                    .exec(&mut self.redis)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }
}

fn job((id, mut fields): (u64, HashMap<String, String>)) -> Job {
    let mut field = |name: &str| fields.remove(name).unwrap_or_default();
    Job {
        id,
        number: field("number"),
        state: field("state"),
        result: field("result"),
        by: field("by"),
    }
}
