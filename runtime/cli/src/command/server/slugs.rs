//! `dyno slugs`: lists the slugs on a server.

use anyhow::Result;
use api::resource::{PageResource, SlugResource};

use crate::args::SlugsArgs;
use crate::client::RemoteServer;
use crate::terminal::{self, clean, format_size, table};

pub(crate) fn run(args: &SlugsArgs) -> Result<()> {
    let server = RemoteServer::find(&args.on)?;
    let answer = server.client.list("/v1/slugs")?;
    server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<SlugResource>>()?;
        if items.is_empty() {
            terminal::print_note("No slugs", "yet: dyno deploy");
            return Ok(());
        }
        let rows = items
            .iter()
            .map(|slug| [clean(&slug.id), format_size(slug.bytes)]);
        terminal::print(&table(["slug", "size"], rows))
    })
}
