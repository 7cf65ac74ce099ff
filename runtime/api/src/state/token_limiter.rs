//! How many wrong tokens may come from an address.
//!
//! Owns the counters. Must not know tokens or HTTP: time is an argument.
//!
//! A right token is accepted however many wrong ones came from the same address: behind a proxy all clients share an
//! address, and 256 random bits cannot be guessed at any speed. The limit only bounds the load of wrong tokens.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens from one address within a [`WINDOW`]; further ones are answered with 429 instead of 401.
const WRONG_TOKENS_MAX: u32 = 60;
/// How long a wrong token counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses with a counter; when there are more, all counters are reset.
const ADDRESSES_MAX: usize = 10_000;

/// Counters of wrong tokens, by address: when the window began, and how many came since.
#[derive(Debug, Default)]
pub(crate) struct WrongTokenLimiter(Mutex<BTreeMap<IpAddr, (Instant, u32)>>);

impl WrongTokenLimiter {
    /// Counts a wrong token. After too many, returns how long the client should wait.
    pub(crate) fn count_wrong_token(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut counters = self.0.lock();
        let from = client_network(from);
        if counters.len() >= ADDRESSES_MAX && !counters.contains_key(&from) {
            // An attacker with this many addresses is not slowed down by the limit anyway.
            counters.clear();
        }
        let (began, wrong_tokens) = counters.entry(from).or_insert((now, 0));
        if now.duration_since(*began) >= WINDOW {
            (*began, *wrong_tokens) = (now, 0);
        }
        if *wrong_tokens >= WRONG_TOKENS_MAX {
            return Err(WINDOW.saturating_sub(now.duration_since(*began)));
        }
        *wrong_tokens += 1;
        Ok(())
    }
}

/// The address that identifies a client. An IPv6 client has a /64 network to itself, so its first 64 bits.
fn client_network(address: IpAddr) -> IpAddr {
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
    async fn wrong_tokens_are_limited_per_address_and_minute() {
        let limiter = WrongTokenLimiter::default();
        let (one, other): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        for _ in 0..WRONG_TOKENS_MAX {
            assert!(limiter.count_wrong_token(one, Instant::now()).is_ok());
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        let wait = limiter
            .count_wrong_token(one, Instant::now())
            .expect_err("too many");
        assert_eq!(wait, Duration::from_secs(40));
        assert!(limiter.count_wrong_token(other, Instant::now()).is_ok());
        tokio::time::advance(wait).await;
        assert!(limiter.count_wrong_token(one, Instant::now()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_is_one_client_and_the_table_is_bounded() {
        let limiter = WrongTokenLimiter::default();
        let address = |n: u128| IpAddr::from(Ipv6Addr::from(0x2001 << 112 | n));
        for n in 0..u128::from(WRONG_TOKENS_MAX) {
            assert!(
                limiter
                    .count_wrong_token(address(n), Instant::now())
                    .is_ok()
            );
        }
        assert!(
            limiter
                .count_wrong_token(address(1 << 63), Instant::now())
                .is_err()
        );
        for n in 0..2 * ADDRESSES_MAX as u128 {
            let _ = limiter.count_wrong_token(address(n << 64), Instant::now());
        }
        let known = limiter.0.lock().len();
        assert!((1..=ADDRESSES_MAX).contains(&known), "{known}");
    }
}
