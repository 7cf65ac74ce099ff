//! How many wrong tokens an address may try.
//!
//! Owns the counting. Must not know tokens or HTTP: time is an argument.
//!
//! A right token is never refused for the wrong ones of others: behind a proxy all clients share an address,
//! and guessing 256 bits of chance is hopeless at any speed. What is bounded is the noise.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens from one address within a [`WINDOW`]; what comes after is refused without a look.
pub(crate) const FAILURES_MAX: u32 = 60;
/// How long wrong tokens count.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are counted; with more, counting begins anew.
const ADDRESSES_MAX: usize = 10_000;

/// Failures by address: when its window began, and how many since.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<BTreeMap<IpAddr, (Instant, u32)>>);

impl Limiter {
    /// Notes a wrong token. If there were too many: how long until the next may be tried.
    pub(crate) fn failed(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = network(from);
        if known.len() >= ADDRESSES_MAX && !known.contains_key(&from) {
            // Whoever has so many addresses has many times as many tries anyhow.
            known.clear();
        }
        let (began, failures) = known.entry(from).or_insert((now, 0));
        if now.duration_since(*began) >= WINDOW {
            (*began, *failures) = (now, 0);
        }
        if *failures >= FAILURES_MAX {
            return Err(WINDOW.saturating_sub(now.duration_since(*began)));
        }
        *failures += 1;
        Ok(())
    }
}

/// An IPv6 client has a whole network of addresses to itself: its first half is who it is.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let prefix = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(prefix).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_has_so_many_tries_a_minute_and_others_have_their_own() {
        let limiter = Limiter::default();
        let (one, other): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        for _ in 0..FAILURES_MAX {
            assert!(limiter.failed(one, Instant::now()).is_ok());
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        let wait = limiter.failed(one, Instant::now()).expect_err("enough");
        assert_eq!(wait, Duration::from_secs(40));
        assert!(limiter.failed(other, Instant::now()).is_ok());
        tokio::time::advance(wait).await;
        assert!(limiter.failed(one, Instant::now()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_is_one_client_and_the_table_is_bounded() {
        let limiter = Limiter::default();
        let address = |n: u128| IpAddr::from(Ipv6Addr::from(0x2001 << 112 | n));
        for n in 0..u128::from(FAILURES_MAX) {
            assert!(limiter.failed(address(n), Instant::now()).is_ok());
        }
        assert!(limiter.failed(address(1 << 63), Instant::now()).is_err());
        for n in 0..2 * ADDRESSES_MAX as u128 {
            let _ = limiter.failed(address(n << 64), Instant::now());
        }
        let known = limiter.0.lock().expect("no panic").len();
        assert!((1..=ADDRESSES_MAX).contains(&known), "{known}");
    }
}
