//! The jobs, in Redis.
//!
//! A job waits in a list. While a worker does the job, the job is in a list of that worker, so that a job is not lost when
//! its worker dies: a worker of the same name continues with it at its start, or, if none starts, the clock moves the job back
//! to the waiting ones when the worker's heartbeat has expired. So a job may be done twice, but is always done.
//!
//! | key | holds |
//! |---|---|
//! | `jobs:waiting` | the numbers of the waiting jobs, the oldest on the right |
//! | `jobs:at:worker.1` | the job of that worker |
//! | `jobs:workers` | the names of all workers that may have such a list |
//! | `jobs:alive:worker.1` | a worker's heartbeat, which expires by itself |
//! | `jobs:recent` | the numbers of all jobs that are kept, the newest on the left |
//! | `jobs:job:7` | one job: `number`, `state`, `result`, `by` |
//! | `jobs:last` | the number of the newest job |

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use redis::{Commands, Connection, Direction, Pipeline, RedisResult};

/// Most jobs that may wait at a time.
pub const WAITING_MAX: usize = 1_000;
/// Finished jobs that are kept; the clock deletes older ones.
const REMEMBERED: isize = 100;
/// Each job is deleted after a day.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a worker waits for a job before it checks whether it has to end.
const WAIT_SECONDS: f64 = 5.0;
/// How long a worker counts as alive since it last took a job or waited for one: far longer than the longest job takes.
const ALIVE_SECONDS: u64 = 60;
/// Longest time for connecting to Redis.
const PATIENCE: Duration = Duration::from_secs(5);

/// One job, as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: u64,
    /// The number to factorise.
    pub number: String,
    /// `waiting`, `working` or `done`.
    pub state: String,
    /// The factors, once the job is done.
    pub result: String,
    /// The dyno that did the job.
    pub by: String,
}

/// A connection to Redis, and the prefix of the keys.
pub struct Queue {
    redis: Connection,
    prefix: String,
}

impl Queue {
    /// Connects to `REDIS_URL`. On a server that other apps share, the keys begin with `REDIS_PREFIX`.
    pub fn connect() -> Result<Queue, String> {
        let url = env::var("REDIS_URL").map_err(|_| "REDIS_URL is not set".to_owned())?;
        // The text of the error may contain the password.
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

    /// Adds a job. Returns `None` if too many jobs wait already.
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

    /// Takes the next job for this worker: one that it had when it died, else the one that has waited longest. Returns
    /// `None` if no job came for a while.
    pub fn take(&mut self, worker: &str) -> RedisResult<Option<Job>> {
        let (waiting, mine) = (self.key("waiting"), self.key(&format!("at:{worker}")));
        let mut look = self.heartbeat(worker);
        let (unfinished,): (Option<u64>,) = look.lindex(&mine, -1).query(&mut self.redis)?;
        let id = match unfinished {
            Some(id) => Some(id),
            None => {
                // Together with the heartbeat, so that the clock knows each list that has a job.
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
            // The job was deleted meanwhile: nobody waits for it.
            let _: () = self.redis.lrem(&mine, 1, id)?;
            return Ok(None);
        }
        let _: () = self
            .redis
            .hset_multiple(&key, &[("state", "working"), ("by", worker)])?;
        Ok(Some(job((id, fields))))
    }

    /// Stores the result of a job.
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

    /// The commands that tell the clock about this worker. Further commands may follow.
    fn heartbeat(&self, worker: &str) -> Pipeline {
        let mut commands = redis::pipe();
        commands
            .sadd(self.key("workers"), worker)
            .ignore()
            .set_ex(self.key(&format!("alive:{worker}")), "", ALIVE_SECONDS)
            .ignore();
        commands
    }

    /// Moves the jobs of workers that are gone back to the waiting ones, and deletes those workers. Returns the number of jobs.
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

    /// Deletes all finished jobs but the newest. Returns the number of deleted jobs.
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
