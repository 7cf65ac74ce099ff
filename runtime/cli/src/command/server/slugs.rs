//! `dyno slugs`: what a server has in its store.

use anyhow::Result;
use api::resource::{PageResource, SlugResource};

use crate::args::SlugsArgs;
use crate::client::TargetServer;
use crate::terminal::{self, clean, size, table};

pub(crate) fn run(args: &SlugsArgs) -> Result<()> {
    let server = TargetServer::find(&args.on)?;
    let answer = server.client.list("/v1/slugs")?;
    server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<SlugResource>>()?;
        if items.is_empty() {
            terminal::note("No slugs", "yet: dyno deploy");
            return Ok(());
        }
        let rows = items.iter().map(|slug| [clean(&slug.id), size(slug.bytes)]);
        terminal::print(&table(["slug", "size"], rows))
    })
}
