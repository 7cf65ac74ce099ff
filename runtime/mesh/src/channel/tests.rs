//! Tests of the channel: single rules, and random faults.

mod faults;
mod rules;
