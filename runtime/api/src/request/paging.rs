//! Lists, a page at a time.
//!
//! Owns how pages are cut. Must not know what is listed.

use crate::failure::ApiFailure;
use crate::resource::PageResource;
use serde::Deserialize;
use utoipa::IntoParams;

/// Items of a page if the request does not say how many.
const LIMIT_DEFAULT: usize = 200;
/// Items of a page, at most.
const LIMIT_MAX: usize = 1_000;
/// Characters of a cursor, at most: the longest cursor is a hostname of 253 characters.
const CURSOR_CHARS_MAX: usize = 300;

/// DynoSelector part of a list is requested.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPaging {
    /// How many items at most; 200 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Items after this one: the value of `next` of the page before.
    #[param(max_length = 300)]
    after: Option<String>,
}

impl ListPaging {
    pub(crate) fn new(limit: Option<usize>, after: Option<String>) -> Self {
        ListPaging { limit, after }
    }

    /// Cuts a page out of a list that is in the order of its cursors. Only the items of the page are converted by
    /// `to_resource`.
    pub(crate) fn cut_page<I, T, C>(
        &self,
        list: impl IntoIterator<Item = I>,
        cursor: impl Fn(&I) -> C,
        to_resource: impl Fn(I) -> T,
    ) -> Result<PageResource<T>, ApiFailure>
    where
        C: PageCursor,
    {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let message = format!("limit is a number from 1 to {LIMIT_MAX}");
            return Err(ApiFailure::bad_request("bad_query", message));
        }
        let after: Option<C> = self.after.as_deref().map(parse_cursor).transpose()?;
        let is_behind = |item: &I| after.as_ref().is_none_or(|after| cursor(item) > *after);
        let mut rest = list.into_iter().filter(is_behind).peekable();
        let (mut items, mut last) = (Vec::new(), None);
        while items.len() < limit {
            let Some(item) = rest.next() else { break };
            last = (items.len() + 1 == limit).then(|| cursor(&item));
            items.push(to_resource(item));
        }
        let last = last.filter(|_| rest.peek().is_some());
        let next = last.map(|cursor| cursor.to_text());
        Ok(PageResource { items, next })
    }
}

fn parse_cursor<C: PageCursor>(text: &str) -> Result<C, ApiFailure> {
    let is_short = text.chars().count() <= CURSOR_CHARS_MAX;
    C::parse(text).filter(|_| is_short).ok_or_else(|| {
        let message = "after must be the value of `next` of the page before";
        ApiFailure::bad_request("bad_query", message)
    })
}

/// Identifies an item of a list, so that the next page can begin behind it.
pub(crate) trait PageCursor: Ord + Sized {
    /// Parses the text that [`PageCursor::to_text`] wrote.
    fn parse(text: &str) -> Option<Self>;

    /// The cursor as text.
    fn to_text(&self) -> String;
}

impl PageCursor for String {
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn to_text(&self) -> String {
        self.clone()
    }
}

/// For releases, the newest of which comes first.
impl PageCursor for std::cmp::Reverse<grid::name::Version> {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(std::cmp::Reverse)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests;
