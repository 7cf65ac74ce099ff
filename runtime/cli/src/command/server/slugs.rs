//! `dyno slugs`: what a server has in its store.

use anyhow::Result;

use crate::args::Slugs;
use crate::client::Server;
use crate::client::types::{Items, Slug};
use crate::terminal::{self, clean, size, table};

pub(crate) fn run(args: &Slugs) -> Result<()> {
    let server = Server::of(&args.on)?;
    let answer = server.client.list("/v1/slugs")?;
    server.show(&answer, || {
        let Items { items } = answer.read::<Items<Slug>>()?;
        if items.is_empty() {
            terminal::note("No slugs", "yet: dyno deploy");
            return Ok(());
        }
        let rows = items.iter().map(|slug| [clean(&slug.id), size(slug.bytes)]);
        terminal::print(&table(["slug", "size"], rows))
    })
}
