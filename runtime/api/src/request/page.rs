//! Lists, a page at a time.
//!
//! Owns how pages are cut. Must not know what is listed.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Items of a page when nobody said how many.
const LIMIT_DEFAULT: usize = 200;
/// Items of a page at most.
const LIMIT_MAX: usize = 1_000;
/// Characters of a cursor at most: the longest is a host name.
const CURSOR_CHARS_MAX: usize = 300;

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// How many items at most; 200 if it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Items behind this one, as `next` of the page before has it.
    #[param(max_length = 300)]
    after: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in order.
    pub(crate) items: Vec<T>,
    /// What `after` has to be for the next page; none if this is the last one.
    #[schema(required)]
    next: Option<String>,
}

impl Paging {
    pub(crate) fn new(limit: Option<usize>, after: Option<String>) -> Self {
        Paging { limit, after }
    }

    /// Cuts a page out of a list whose cursors are in order. Of the page's items only the `show`n are made.
    pub(crate) fn page<I, T, C>(
        &self,
        list: impl IntoIterator<Item = I>,
        cursor: impl Fn(&I) -> C,
        show: impl Fn(I) -> T,
    ) -> Result<Page<T>, Failure>
    where
        C: Cursor,
    {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let message = format!("limit is a number from 1 to {LIMIT_MAX}");
            return Err(Failure::bad_request("bad_query", message));
        }
        let after = match &self.after {
            None => None,
            Some(text) => Some(
                C::read(text)
                    .filter(|_| text.chars().count() <= CURSOR_CHARS_MAX)
                    .ok_or_else(|| {
                        let message = "after is what `next` of the page before was";
                        Failure::bad_request("bad_query", message)
                    })?,
            ),
        };
        let behind = |item: &I| after.as_ref().is_none_or(|after| cursor(item) > *after);
        let mut rest = list.into_iter().filter(behind).peekable();
        let (mut items, mut next) = (Vec::new(), None);
        while items.len() < limit {
            let Some(item) = rest.next() else { break };
            next = (items.len() + 1 == limit).then(|| cursor(&item));
            items.push(show(item));
        }
        let next = next
            .filter(|_| rest.peek().is_some())
            .map(|cursor| cursor.write());
        Ok(Page { items, next })
    }
}

/// What an item of a list is found again by.
pub(crate) trait Cursor: Ord {
    /// Reads what [`Cursor::write`] wrote.
    fn read(text: &str) -> Option<Self>
    where
        Self: Sized;

    /// The cursor as text.
    fn write(&self) -> String;
}

impl Cursor for String {
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn write(&self) -> String {
        self.clone()
    }
}

/// Of a list with its newest item first.
impl Cursor for std::cmp::Reverse<grid::name::Version> {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(std::cmp::Reverse)
    }

    fn write(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests;
